// The four profiles of plain manifests on a node where their pods run: real Ollama, models from a registry, fake GPUs.
// Never a part of BigO's operator: what lies in the files is all that runs.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual, promisify } from 'node:util';
import { find, skipUnless } from '../../tools/parts.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode } from '../tools/node.ts';
import { stateMsMax } from './fleet.ts';
import { startIngress, type Ingress } from './profiles-ingress.ts';
import { storyModel, World, type Chat } from './profiles-world.ts';

const run = promisify(execFile);
const storyMsMax = 20 * 60_000;
const commandMsMax = 30_000;

const skip = (await skipWithoutNode()) || (await skipUnless('ollama', 'smollm2', 'nginx', 'kubectl'));

/**
 * What differs from the committed files, and nothing else: the class of this cluster's storage, and what pods ask for,
 * since this node has two processors. k8s/README.md tells people to set both in this way.
 */
const storage = 'ollama.storage.storageClassName=local';
const small = ['ollama.resources.requests.cpu=50m', 'ollama.resources.requests.memory=128Mi'];
const mayDiffer = /\.storageClassName$|\.containers\.0\.resources\.requests\.(cpu|memory)$/;

let world: World;

describe('profiles of plain manifests on pods', { skip, timeout: storyMsMax }, () => {
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  describe('homelab', homelab);
  describe('production', production);
  describe('bigo', bigo);
  describe('model-hosting', modelHosting);
  it('three of them are gone without a trace', () => world.untilRemoved());
});

/** `kubectl apply -f FOLDER/`, after a look at what is in the folder. */
async function applied(...[profile, sets]: Parameters<World['render']>): Promise<string> {
  const { folder, differing } = await world.render(profile, sets);
  assert.deepEqual(
    differing.filter(at => !mayDiffer.test(at)),
    [],
  );
  await world.kubectl('apply', '-f', folder);
  return folder;
}

/** An answer of a model that streamed to its end. */
function assertWhole({ status, lines }: Chat): void {
  assert.equal(status, 200, JSON.stringify(lines));
  assert.ok(lines.length >= 2, JSON.stringify(lines));
  assert.equal(lines.at(-1)?.['done'], true, JSON.stringify(lines));
}

async function assertRestricted(namespace: string): Promise<void> {
  const plain = ['run', 'plain', '--image=bigo.test/pause:1', '--dry-run=server', '-n', namespace];
  assert.match(await world.refusal(...plain), /violates PodSecurity "restricted/);
}

interface Door {
  readonly namespace: string;
  readonly service: string;
  readonly key?: string;
}

/** Resolves when the gateway lists these models, its aliases aside, as `ollama list` would show them. */
async function untilModels(at: Door, models: readonly string[]): Promise<void> {
  const { namespace, service, key } = at;
  const { spec } = await world.admin.get({ apiVersion: 'v1', kind: 'Service', namespace, name: service });
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  await world.until(`${namespace} has ${models.join(', ')}`, async () => {
    // A Service's address leads to a pod a moment after the pod is ready.
    const answer = await fetch(`http://${spec.clusterIP}:11434/api/tags`, { headers }).catch(() => undefined);
    if (answer?.ok !== true) return undefined;
    const found = ((await answer.json()) as { models: { name: string }[] }).models.map(one => one.name);
    return models.every(model => found.includes(model)) ? true : undefined;
  });
}

/** A certificate for the Ingress, put into its Secret as a person does who has no cert-manager. */
async function giveCertificate(namespace: string, host: string): Promise<void> {
  const [key, cert] = ['key', 'crt'].map(end => path.join(world.node.plane.folder, `${namespace}.${end}`));
  const wish = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const about = ['-days', '2', '-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
  const files = ['-keyout', key ?? '', '-out', cert ?? ''];
  await run('openssl', [...wish, ...about, ...files], { timeout: commandMsMax });
  const tls = ['secret', 'tls', 'ollama-tls', `--cert=${cert}`, `--key=${key}`];
  await world.kubectl('-n', namespace, 'create', ...tls);
}

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

const chatBody = (model: string, tokens: number, content = 'hello'): string =>
  JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    options: { num_predict: tokens, temperature: 0 },
  });

function homelab(): void {
  const namespace = 'ml';
  let folder: string;
  before(async () => {
    await world.setTaints([{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }]);
    folder = await applied('homelab', [storage]);
  });
  after(() => world.remove(namespace, folder));

  it('gets no pod onto a node that is kept for GPUs, and says which taint it is', async () => {
    await world.untilUnscheduled(namespace, 'ollama', /untolerated taint/);
  });

  it('runs as soon as the taint is gone, with Pod Security enforced', async () => {
    await world.setTaints([]);
    await world.untilRunning(namespace, 'deployment/ollama', 'deployment/ollama-gateway');
    await assertRestricted(namespace);
  });

  it('has its models from the registry', async () => {
    await untilModels({ namespace, service: 'ollama' }, ['llama3.2:1b', 'qwen2.5:3b']);
  });

  it('chats with a pod that knows its name', async () => {
    assertWhole(await world.chatFromInside('http://ollama.ml.svc.cluster.local:11434', 'llama3.2:1b'));
    assertWhole(await world.chatFromInside('http://ollama.ml:11434', 'qwen2.5:3b'));
  });

  it('scales to two pods that share one folder', async () => {
    await world.kubectl('-n', namespace, 'scale', 'deployment/ollama', '--replicas=2');
    await world.untilRunning(namespace, 'deployment/ollama');
    const pods = await world.pods(namespace, 'ollama');
    assert.equal(pods.length, 2);
  });

  it('chats with people outside through optional/ingress-nginx.yaml', async t => {
    await world.kubectl('apply', '-f', path.join(folder, 'optional', 'ingress-nginx.yaml'));
    await giveCertificate(namespace, 'ollama.home.example.com');
    const ingress = await startIngress({
      client: world.admin,
      folder: world.node.plane.folder,
      namespace,
      name: 'ollama-gateway',
    });
    t.after(() => ingress.stop());
    const ask = { method: 'POST', path: '/api/chat', body: chatBody('llama3.2:1b', 8) } as const;
    const { status, text } = await ingress.ask(ask);
    assertWhole({ status, lines: linesOf(text) });
  });
}

function production(): void {
  const namespace = 'ollama';
  const host = 'ollama.example.com';
  let folder: string;
  let key: string;
  before(async () => {
    await world.setLabels({ 'gpu-type': 'amd', accelerator: 'nvidia-gpu' });
    await world.setTaints([{ key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' }]);
    await world.setGpus(3);
    folder = await applied('production', small);
  });
  after(async () => {
    world.remove(namespace, folder);
    await world.setLabels({ 'gpu-type': null, accelerator: null });
  });

  it('gets no Ollama onto a node with the wrong label', async () => {
    await world.untilUnscheduled(namespace, 'ollama', /didn't match Pod's node affinity\/selector/);
  });

  it('tolerates the taint of GPU nodes with Ollama, which needs them, and with nothing else', async () => {
    await world.setLabels({ 'gpu-type': 'nvidia' });
    await world.until('Ollama has a node', async () => {
      const [pod] = await world.pods(namespace, 'ollama');
      return pod?.['spec'].nodeName as string | undefined;
    });
    await world.untilUnscheduled(namespace, 'bigo-gateway', /untolerated taint/, 2);
  });

  it('runs when there is a node for each, with Pod Security enforced, and its model from the registry', async () => {
    await world.setTaints([]);
    const workloads = ['job/bigo-secrets', 'deployment/ollama-gateway', 'deployment/ollama'];
    await world.untilRunning(namespace, ...workloads);
    await assertRestricted(namespace);
    key = await world.secret(namespace, 'ollama-gateway-keys', 'user-key');
    await untilModels({ namespace, service: 'ollama', key }, [storyModel]);
  });

  it('chats with a pod that knows its name and has a key', async () => {
    const url = 'http://ollama.ollama.svc.cluster.local:11434';
    assertWhole(await world.chatFromInside(url, storyModel, key));
    assert.equal((await world.chatFromInside(url, storyModel)).status, 401);
  });

  it('has pods refused by its quota: more GPUs than it grants, and more processors', async () => {
    const gpus = { limits: { 'nvidia.com/gpu': '2' } };
    const refused = await world.refusal(...greedyPod(namespace, gpus));
    assert.match(
      refused,
      /exceeded quota: ollama-quota, requested: requests\.nvidia\.com\/gpu=2, used: .*=1/,
    );
    // One GPU would be left: the second Ollama's processors are what is too much.
    await world.kubectl('-n', namespace, 'scale', 'deployment/ollama', '--replicas=2');
    const message = await world.until('the second Ollama is refused', async () => {
      const ref = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'ollama' };
      const conditions = (await world.admin.get(ref))['status'].conditions as {
        type: string;
        message: string;
      }[];
      return conditions.find(one => one.type === 'ReplicaFailure')?.message;
    });
    assert.match(message, /exceeded quota: ollama-quota, requested: limits\.cpu=9/);
    await world.kubectl('-n', namespace, 'scale', 'deployment/ollama', '--replicas=1');
    assert.equal((await world.pods(namespace, 'ollama')).length, 1);
  });

  const wish = () =>
    ({
      client: world.admin,
      folder: world.node.plane.folder,
      namespace,
      name: 'ollama-gateway',
    }) as const;
  const story = (tokens: number) =>
    ({
      method: 'POST',
      path: '/api/chat',
      body: chatBody(storyModel, tokens, 'Tell me a long story.'),
      key,
    }) as const;

  describe('through its Ingress', () => {
    let ingress: Ingress;
    before(async () => {
      await giveCertificate(namespace, host);
      ingress = await startIngress(wish());
    });
    after(() => ingress.stop());

    it('an answer comes piece by piece while it is still being made', async t => {
      const inFlight = await world.gauge(namespace);
      const answer = await ingress.send(story(2_000));
      assert.equal(answer.statusCode, 200);
      const reads: number[] = [];
      for await (const chunk of answer) {
        if (reads.length === 0) assert.equal(await inFlight(), 1, 'the first piece came at the end');
        // Leaving the loop closes the connection.
        if (reads.push((chunk as Buffer).length) === 5) break;
      }
      t.diagnostic(`bytes by read: ${reads.join(' ')}`);
      assert.equal(reads.length, 5);
      await world.until('the gateway lets the answer go', async () =>
        (await inFlight()) === 0 ? true : undefined,
      );
    });

    it('a body of two megabytes passes', async () => {
      const { status, text } = await ingress.ask(large(key));
      assert.equal(status, 200, text.slice(0, 500));
    });

    it('a request without a key is refused', async () => {
      assert.equal((await ingress.ask({ method: 'GET', path: '/api/tags' })).status, 401);
    });
  });

  it('without its annotations answers would come when they are over, and large bodies not at all', async t => {
    const without = ['proxy-buffering', 'proxy-body-size'];
    const ingress = await startIngress({ ...wish(), without });
    t.after(() => ingress.stop());
    const answer = await ingress.send(story(40));
    const [first] = (await answer.toArray()) as Buffer[];
    assert.match(String(first), /"done":true/);
    assert.equal((await ingress.ask(large(key))).status, 413);
  });
}

const large = (key: string) => {
  const body = JSON.stringify({ model: storyModel, padding: 'x'.repeat(2 << 20) });
  return { method: 'POST', path: '/api/show', body, key } as const;
};

/** A pod that may run in the namespace but for its size. */
function greedyPod(namespace: string, resources: object): string[] {
  const image = 'bigo.test/pause:1';
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const container = { name: 'greedy', image, resources, securityContext: security };
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 1000,
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const overrides = JSON.stringify({ apiVersion: 'v1', spec: { securityContext, containers: [container] } });
  return ['-n', namespace, 'run', 'greedy', `--image=${image}`, `--overrides=${overrides}`];
}

function bigo(): void {
  const namespace = 'bigo';
  let folder: string;
  let key: string;
  before(async () => {
    await world.setLabels({ gpu: 'false' });
    await world.setTaints([]);
    await world.setGpus(2);
    folder = await applied('bigo', [storage, ...small]);
  });
  after(async () => {
    world.remove(namespace, folder);
    await world.setLabels({ gpu: null });
  });

  it('gets no Ollama onto a node that is not labelled as one with GPUs', async () => {
    await world.untilUnscheduled(namespace, 'ollama', /didn't match Pod's node affinity\/selector/, 2);
  });

  it('has its models loaded by a Job with a server of its own, before any Ollama runs', async () => {
    await world.untilRunning(namespace, 'job/ollama-model-loader');
    const log = await world.kubectl('-n', namespace, 'logs', 'job/ollama-model-loader', '-c', 'loader');
    assert.match(log, /success/);
    for (const pod of await world.pods(namespace, 'ollama')) assert.equal(pod['spec'].nodeName, undefined);
  });

  it('runs two Ollamas as its autoscaler wants, each with a GPU, with Pod Security enforced', async () => {
    await world.setLabels({ gpu: 'true' });
    await world.untilRunning(
      namespace,
      'job/bigo-secrets',
      'statefulset/ollama',
      'deployment/ollama-gateway',
    );
    assert.equal((await world.pods(namespace, 'ollama')).length, 2);
    await assertRestricted(namespace);
    key = await world.secret(namespace, 'ollama-gateway-keys', 'user-key');
    const models = ['phi3:mini', 'phi3:mini-16k', 'qwen3:8b', 'qwen3:8b-8k'];
    await untilModels({ namespace, service: 'ollama', key }, models);
  });

  it('chats with a pod that knows its name and has a key, also by alias', async () => {
    const url = 'http://ollama.bigo.svc.cluster.local:11434';
    for (const model of ['qwen3:8b-8k', 'fast']) assertWhole(await world.chatFromInside(url, model, key));
    assert.equal((await world.chatFromInside(url, 'fast')).status, 401);
  });

  it('chats with people outside at the address that a load balancer gives it', async () => {
    const service = { apiVersion: 'v1', kind: 'Service', namespace, name: 'ollama' };
    // As the cloud's controller does; packets to it come to the node, and kube-proxy knows it then.
    const ip = world.node.place.serviceCidr.replace(/0\/24$/, '253');
    await world.admin.patch(service, { status: { loadBalancer: { ingress: [{ ip }] } } }, 'merge', 'status');
    const headers = { authorization: `Bearer ${key}` };
    const post = () =>
      fetch(`http://${ip}:11434/api/chat`, { method: 'POST', headers, body: chatBody('default', 8) });
    const answer = await world.until('the address leads somewhere', () => post().catch(() => undefined));
    assertWhole({ status: answer.status, lines: linesOf(await answer.text()) });
  });
}

/** A model in the Model Manager's table. */
interface Row {
  readonly name: string;
  readonly where: readonly { readonly backend: string }[];
}

function modelHosting(): void {
  const namespace = 'model-hosting';
  let key: string;
  before(async () => {
    await world.setGpus(2);
    await applied('model-hosting', small);
  });

  it('has one Ollama waiting for the third GPU, and says so', async () => {
    await world.untilUnscheduled(namespace, 'ollama', /Insufficient nvidia\.com\/gpu/);
  });

  it('runs when there is a GPU for each, with Pod Security enforced', async () => {
    await world.setGpus(3);
    const deployments = ['ollama', 'ollama-gateway', 'model-manager'].map(name => `deployment/${name}`);
    await world.untilRunning(namespace, 'job/bigo-secrets', ...deployments, 'statefulset/ollama-writer');
    await assertRestricted(namespace);
    key = await world.secret(namespace, 'ollama-gateway-keys', 'admin-key');
    await untilModels({ namespace, service: 'ollama-service', key }, ['llama3.2:3b', 'qwen2.5-coder:7b']);
  });

  it('chats with a pod that knows its name and has a key', async () => {
    const url = 'http://ollama-service.model-hosting.svc.cluster.local:11434';
    assertWhole(await world.chatFromInside(url, 'llama3.2:3b', key));
    assert.equal((await world.chatFromInside(url, 'llama3.2:3b')).status, 401);
  });

  it('shows its pods and their models in the Model Manager at node port 30501', async () => {
    const headers = { authorization: `Bearer ${key}` };
    const ask = async (route: string): Promise<KubeObject> =>
      (await (
        await fetch(`http://${world.node.place.address}:30501/api${route}`, { headers })
      ).json()) as KubeObject;
    // The manager looks at the pods every few seconds.
    await world.until('three of three are shown as running', async () => {
      const { models } = (await ask('/deployments')) as unknown as { models: Record<string, unknown>[] };
      const shown = models.map(({ replicas, status }) => ({ replicas, status }));
      return isDeepStrictEqual(shown, [{ replicas: '3/3', status: 'Running' }]) ? true : undefined;
    });
    const pods = (await world.pods(namespace, 'ollama')).map(pod => pod.metadata.name);
    const everywhere = [...pods, 'ollama-writer-0'].toSorted();
    // Each gateway looks for its backends by itself, and the manager asks any of them.
    for (const model of ['llama3.2:3b', 'qwen2.5-coder:7b'])
      await world.until(`${model} is shown on ${everywhere.join(', ')}`, async () => {
        const { rows = [] } = (await ask('/ollama/models')) as unknown as { rows?: Row[] };
        const where = rows.find(row => row.name === model)?.where.map(one => one.backend) ?? [];
        return isDeepStrictEqual(where.toSorted(), everywhere) ? true : undefined;
      });
  });

  it('passes its health check when the CronJob runs', async () => {
    const check = ['create', 'job', 'check-now', '--from=cronjob/model-health-check'];
    await world.kubectl('-n', namespace, ...check);
    await world.untilRunning(namespace, 'job/check-now');
    const log = await world.kubectl('-n', namespace, 'logs', 'job/check-now');
    assert.match(log, /\[PASS\] 2 models should be there/);
    assert.match(log, /\[PASS\] Nothing is missing/);
  });

  it('chats with somebody outside who forwards a port', async t => {
    const kubectl = (await find('kubectl')) ?? 'kubectl';
    const flags = ['--kubeconfig', world.node.plane.adminKubeconfig, '-n', namespace];
    const forward = spawn(kubectl, [...flags, 'port-forward', 'service/ollama-service', ':11434'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    t.after(async () => {
      if (forward.exitCode !== null || !forward.kill('SIGKILL')) return;
      await once(forward, 'exit');
    });
    const [told] = (await once(forward.stdout, 'data', { signal: AbortSignal.timeout(stateMsMax) })) as [
      Buffer,
    ];
    const port = /127\.0\.0\.1:(\d+)/.exec(String(told))?.[1];
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(`http://127.0.0.1:${port}/api/chat`, {
      method: 'POST',
      headers,
      body: chatBody('llama3.2:3b', 8),
    });
    assertWhole({ status: answer.status, lines: linesOf(await answer.text()) });
  });
}
