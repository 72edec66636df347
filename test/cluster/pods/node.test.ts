// Pods really run: images, claims, names, Service addresses, logs and exec. Needs root on Linux and the node's parts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { find } from '../../tools/parts.ts';
import { fakeOllamaImages, imageNames } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode, startNode, type RunningNode } from '../tools/node.ts';

const run = promisify(execFile);
const podMsMax = 120_000;
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };

function manifest(claimClass: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ollama}
spec: {selector: {app: ollama}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models}
spec: {accessModes: [ReadWriteOnce], storageClassName: ${claimClass}, resources: {requests: {storage: 8Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: ollama, labels: {app: ollama}}
spec:
  enableServiceLinks: false
  terminationGracePeriodSeconds: 1
  securityContext: {runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: ollama
      image: ${imageNames.fakeOllama}
      imagePullPolicy: Never
      args: [serve]
      env: [{name: HOME, value: /tmp}, {name: FAKE_OLLAMA, value: '--models ["tiny:latest"]'}]
      ports: [{containerPort: 11434, name: http}]
      readinessProbe: {httpGet: {path: /api/version, port: http}, periodSeconds: 1}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: models, mountPath: /models}]
  volumes: [{name: models, persistentVolumeClaim: {claimName: models}}]
`;
}

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
  const inPod = (script: string): Promise<string> =>
    kubectl('exec', 'ollama', '--', '/usr/local/bin/node', '--eval', script);

  before(async () => {
    node = await startNode();
    await node.addImages(await fakeOllamaImages(node.plane.folder));
    namespace = await node.plane.namespace({ after: () => undefined }, restricted);
    await node.plane.admin.applyYaml(manifest('local'), namespace);
    const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'ollama' };
    pod = await node.plane.admin.until(ref, isReady, podMsMax);
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

  it('a Service address and its name lead the test and a pod to the same server', async () => {
    const ref = { apiVersion: 'v1', kind: 'Service', namespace, name: 'ollama' };
    const address = String((await node.plane.admin.get(ref))['spec'].clusterIP);
    const resolver = new Resolver();
    resolver.setServers([node.dnsServer]);
    assert.deepEqual(await resolver.resolve4(`ollama.${namespace}.svc.cluster.local`), [address]);
    assert.equal((await fetch(`http://${address}/api/version`)).status, 200);
    assert.equal(await inPod("fetch('http://ollama/api/version').then(r => console.log(r.status))"), '200\n');
  });

  it('a claim can be written by a user that is not root, and the test sees the file', async () => {
    await inPod("fs.writeFileSync('/models/proof', String(process.getuid()))");
    const folder = await node.claimFolder(namespace, 'models');
    assert.equal(await readFile(path.join(folder, 'proof'), 'utf8'), '1000');
  });

  it('kubectl reads what the pod printed', async () => {
    assert.match(await kubectl('logs', 'ollama'), /"event":"ready"/);
  });

  it('a pod reaches the API server as its own service account', async () => {
    const script = `
      const base = '/var/run/secrets/kubernetes.io/serviceaccount/';
      const token = fs.readFileSync(base + 'token', 'utf8');
      const ca = fs.readFileSync(base + 'ca.crt');
      const headers = { authorization: 'Bearer ' + token };
      require('https').get('https://kubernetes.default.svc/api/v1/pods', { ca, headers }, r => r.pipe(process.stdout));`;
    const refused = JSON.parse(await inPod(script)) as { message: string };
    assert.match(refused.message, new RegExp(`system:serviceaccount:${namespace}:default`));
  });

  it('a sized claim is full when it is full, and a larger one has room again', async () => {
    await node.plane.admin.applyYaml(
      manifest('sized')
        .replaceAll('name: models', 'name: small')
        .replaceAll('claimName: models', 'claimName: small')
        .replaceAll('name: ollama', 'name: full'),
      namespace,
    );
    const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'full' };
    await node.plane.admin.until(ref, isReady, podMsMax);
    const write = (): Promise<string> =>
      kubectl(
        'exec',
        'full',
        '--',
        '/usr/local/bin/node',
        '--eval',
        "fs.writeFileSync('/models/large', Buffer.alloc(12 << 20))",
      );
    await assert.rejects(write(), /ENOSPC/);
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: 'small' };
    await node.plane.admin.patch(claim, { spec: { resources: { requests: { storage: '16Mi' } } } });
    await node.plane.admin.until(claim, object => object?.['status'].capacity?.storage === '16Mi', podMsMax);
    await write();
  });
});
