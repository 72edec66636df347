// Pods really run: images, claims, names, Service addresses, logs and exec. Needs root on Linux and the node's parts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { find, skipUnless } from '../../tools/parts.ts';
import { digestOf, tinyGguf } from '../../tools/tiny-gguf.ts';
import { bigoImage, fakeOllamaImages, imageNames, ollamaImage } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode, startNode, type RunningNode } from '../tools/node.ts';

const run = promisify(execFile);
const podMsMax = 120_000;
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };

interface PodOf {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly storageClass?: string;
  readonly readyPath?: string;
}

/** A pod as the restricted level wants it, with a claim and a Service of the same name. */
function manifest(of: PodOf): string {
  const { name, storageClass = 'local', readyPath = '/api/version' } = of;
  const env = Object.entries({ HOME: '/tmp', ...of.env }).map(([key, value]) => ({ name: key, value }));
  const readinessProbe = { httpGet: { path: readyPath, port: 11434 }, periodSeconds: 1 };
  const container = {
    name: 'main',
    image: of.image,
    imagePullPolicy: 'Never',
    args: of.args,
    env,
    readinessProbe,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'models', mountPath: '/models' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  const resources = { requests: { storage: '8Mi' } };
  const spec = {
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 1,
    securityContext: {
      runAsUser: 1000,
      runAsGroup: 1000,
      runAsNonRoot: true,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container],
    volumes: [
      { name: 'models', persistentVolumeClaim: { claimName: name } },
      { name: 'tmp', emptyDir: {} },
    ],
  };
  const metadata = { name, labels: { app: name } };
  const claim = { accessModes: ['ReadWriteOnce'], storageClassName: storageClass, resources };
  const service = { selector: { app: name }, ports: [{ port: 80, targetPort: 11434 }] };
  return [
    { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: claim },
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: service },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec },
  ]
    .map(object => JSON.stringify(object))
    .join('\n---\n');
}

const fake: PodOf = {
  name: 'fake',
  image: imageNames.fakeOllama,
  args: ['serve'],
  env: { FAKE_OLLAMA: '--models ["tiny:latest"]' },
};

const noOllama = await skipUnless('ollama');

function isReady(pod: KubeObject | undefined): boolean {
  const conditions = (pod?.['status'].conditions ?? []) as { type: string; status: string }[];
  return conditions.some(one => one.type === 'Ready' && one.status === 'True');
}

describe('a node on which pods run', { skip: await skipWithoutNode() }, () => {
  let node: RunningNode;
  let namespace: string;
  let pod: KubeObject;

  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const program = (await find('kubectl')) ?? 'kubectl';
    const all = ['--kubeconfig', node.plane.adminKubeconfig, '--namespace', namespace, ...args];
    return (await run(program, all, { timeout: podMsMax })).stdout;
  };
  const inPod = (name: string, script: string): Promise<string> =>
    kubectl('exec', name, '--', '/usr/local/bin/node', '--eval', script);
  const startPod = async (of: PodOf): Promise<KubeObject> => {
    await node.plane.admin.applyYaml(manifest(of), namespace);
    const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: of.name };
    return node.plane.admin.until(ref, isReady, podMsMax);
  };

  before(async () => {
    node = await startNode();
    const { folder } = node.plane;
    await node.addImages([...(await fakeOllamaImages(folder)), await bigoImage(folder)]);
    namespace = await node.plane.namespace({ after: () => undefined }, restricted);
    pod = await startPod(fake);
  });
  after(() => node.stop());

  it('a restricted pod of a user that is not root serves the fake Ollama on its own address', async () => {
    const answer = await fetch(`http://${pod['status'].podIP}:11434/api/tags`);
    const { models } = (await answer.json()) as { models: { name: string }[] };
    assert.deepEqual(
      models.map(model => model.name),
      ['tiny:latest'],
    );
  });

  const serviceAddress = async (): Promise<string> => {
    const ref = { apiVersion: 'v1', kind: 'Service', namespace, name: 'fake' };
    return String((await node.plane.admin.get(ref))['spec'].clusterIP);
  };

  /** A pod is ready a moment before kube-proxy leads its Service's address to it; until then that address refuses. */
  const untilServed = async (url: string): Promise<void> => {
    for (const deadline = Date.now() + podMsMax; ; await sleep(100)) {
      const status = await fetch(url).then(
        answer => answer.status,
        () => undefined,
      );
      if (status === 200) return;
      assert.ok(Date.now() < deadline, `${url} was never served`);
    }
  };

  it('a Service address leads the test, and the pod itself, to the pod', async () => {
    const url = `http://${await serviceAddress()}/api/version`;
    await untilServed(url);
    assert.equal(await inPod('fake', `fetch('${url}').then(r => console.log(r.status))`), '200\n');
  });

  it("a Service's name is known to the test and to pods", async () => {
    const resolver = new Resolver();
    resolver.setServers([node.dnsServer]);
    const name = `fake.${namespace}.svc.cluster.local`;
    const address = await serviceAddress();
    assert.deepEqual(await resolver.resolve4(name), [address]);
    await untilServed(`http://${address}/api/version`);
    // A pod knows its own name as its own address: only the longer name is the Service's.
    const script = `fetch('http://fake.${namespace}.svc/api/version').then(r => console.log(r.status))`;
    assert.equal(await inPod('fake', script), '200\n');
  });

  it('a claim can be written by a user that is not root, and the test sees the file', async () => {
    await inPod('fake', "fs.writeFileSync('/models/proof', String(process.getuid()))");
    const folder = await node.claimFolder(namespace, 'fake');
    assert.equal(await readFile(path.join(folder, 'proof'), 'utf8'), '1000');
  });

  it('kubectl reads what the pod printed', async () => {
    assert.match(await kubectl('logs', 'fake'), /"event":"ready"/);
  });

  it('a pod reaches the API server as its own service account', async () => {
    const script = `
      const base = '/var/run/secrets/kubernetes.io/serviceaccount/';
      const token = fs.readFileSync(base + 'token', 'utf8');
      const ca = fs.readFileSync(base + 'ca.crt');
      const headers = { authorization: 'Bearer ' + token };
      require('https').get('https://kubernetes.default.svc/api/v1/pods', { ca, headers }, r => r.pipe(process.stdout));`;
    const refused = JSON.parse(await inPod('fake', script)) as { message: string };
    assert.match(refused.message, new RegExp(`system:serviceaccount:${namespace}:default`));
  });

  it('a sized claim is full when it is full, and a larger one has room again', async () => {
    await startPod({ ...fake, name: 'full', storageClass: 'sized' });
    const write = (): Promise<string> =>
      inPod('full', "fs.writeFileSync('/models/large', Buffer.alloc(12 << 20))");
    await assert.rejects(write(), /ENOSPC/);
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'full' };
    await node.plane.admin.patch(claim, { spec: { resources: { requests: { storage: '16Mi' } } } });
    await node.plane.admin.until(claim, object => object?.['status'].capacity?.storage === '16Mi', podMsMax);
    await write();
  });

  it("BigO's own image serves as a gateway in front of a Service", async () => {
    const args = ['gateway', '--listen', '0.0.0.0:11434', '--insecure', '--backend', 'http://fake'];
    const gateway = await startPod({ name: 'gateway', image: imageNames.bigo, args });
    const answer = await fetch(`http://${gateway['status'].podIP}:11434/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hello' }] }),
    });
    const lines = (await answer.text()).trim().split('\n');
    assert.equal((JSON.parse(lines.at(-1) ?? '') as { done: boolean }).done, true);
    // What people type into a running pod.
    const typed = await kubectl('exec', 'gateway', '--', '/bin/sh', '-c', 'bigo version');
    assert.match(typed, /bigo \d+\.\d+\.\d+/);
    assert.match(await kubectl('exec', 'gateway', '--', 'bigo', 'status'), /fake/);
  });

  it('a real Ollama serves a model out of its claim', { skip: noOllama }, async () => {
    await node.addImages([await ollamaImage()]);
    const env = { OLLAMA_MODELS: '/models', OMP_NUM_THREADS: '1' };
    const ollama = await startPod({ name: 'ollama', image: imageNames.ollama, args: ['serve'], env });
    const url = `http://${ollama['status'].podIP}:11434`;
    const gguf = tinyGguf();
    const post = (path: string, body: string | Buffer<ArrayBuffer>): Promise<Response> =>
      fetch(url + path, { method: 'POST', body });
    assert.equal((await post(`/api/blobs/${digestOf(gguf)}`, Buffer.from(gguf))).status, 201);
    const files = { 'model.gguf': digestOf(gguf) };
    const create = { model: 'tiny', files, parameters: { num_thread: 1 }, stream: false };
    assert.equal((await post('/api/create', JSON.stringify(create))).status, 200);
    const generate = { model: 'tiny', prompt: 'a', stream: false, options: { num_predict: 4 } };
    const answer = (await (await post('/api/generate', JSON.stringify(generate))).json()) as object;
    assert.equal((answer as { eval_count: number }).eval_count, 4);
    const folder = await node.claimFolder(namespace, 'ollama');
    assert.deepEqual((await readdir(folder)).toSorted(), ['blobs', 'manifests']);
  });
});
