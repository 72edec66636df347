// One node with GPUs that are numbers only, a registry that answers for Ollama's own, and a pod of somebody who asks.
// Never changes a manifest: what a profile's files say is what runs; only the values that `--set` names differ.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { program } from '../../../scripts/image/contents.ts';
import type { ProfileName } from '../../../src/profiles/core/types.ts';
import { mainFile } from '../../cli/bigo.ts';
import { endAll } from '../../tools/end-all.ts';
import { find } from '../../tools/parts.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import { bigoImage, imageNames, ollamaImage, type Image } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { startNode, type RunningNode } from '../tools/node.ts';
import { stateMsMax } from './fleet.ts';
import { ollamaRegistry, registryForPods, type PodRegistry } from './registry.ts';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '..', '..', '..');
const gpu = 'nvidia.com/gpu';
const outputBytesMax = 32 << 20;
const node = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
const people = 'people';

/** Models by the names that the profiles give; what they answer has no meaning, but for the one that tells stories. */
const tinyModels = ['llama3.2:1b', 'llama3.2:3b', 'qwen2.5:3b', 'qwen2.5-coder:7b', 'phi3:mini', 'qwen3:8b'];
export const storyModel = 'llama3.1:8b';

const chatTemplate =
  '{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n';

interface Taint {
  readonly key: string;
  readonly effect: string;
  readonly value?: string;
}

export interface Chat {
  readonly status: number;
  readonly lines: readonly Record<string, unknown>[];
}

export class World {
  readonly node: RunningNode;
  readonly #shelf: PodRegistry;
  readonly #removals: Promise<void>[] = [];

  constructor(running: RunningNode, shelf: PodRegistry) {
    this.node = running;
    this.#shelf = shelf;
  }

  static async start(): Promise<World> {
    const running = await startNode({ outsideNames: [ollamaRegistry.name] });
    try {
      const shelf = await registryForPods(running, ollamaRegistry);
      const world = new World(running, shelf);
      try {
        await world.#prepare();
        return world;
      } catch (error) {
        await shelf.registry.stop();
        throw error;
      }
    } catch (error) {
      await running.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#removals);
    await endAll(
      () => this.node.stop(),
      () => this.#shelf.registry.stop(),
    );
  }

  get admin() {
    return this.node.plane.admin;
  }

  async #prepare(): Promise<void> {
    const { registry, certificateFile } = this.#shelf;
    // One thread each: two of them on two busy cores stand in each other's way.
    const parameters = { num_thread: 1, num_ctx: 1024 };
    // Not by the names of known models: llama.cpp looks for their special tokens then.
    for (const [seed, name] of tinyModels.entries())
      await registry.addModel(`library/${name}`, { gguf: tinyGguf({ seed: seed + 1 }), parameters });
    const gguf = (await find('smollm2')) ?? '';
    const story = { gguf, template: chatTemplate, parameters: { num_thread: 1 } };
    await registry.addModel(`library/${storyModel}`, story);
    const own = await bigoImage(this.node.plane.folder);
    const real = await ollamaImage({ '/etc/ssl/certs/ca-certificates.crt': certificateFile });
    // The published image is a whole Ubuntu: the loader Job uses its shell.
    const ollama = { ...real, layers: [...real.layers, await program('/bin/sh', '/bin/sh')] };
    await this.node.addImages(await named(own, ollama));
    await this.admin.applyYaml(somebody(own.name));
    await this.kubectl('-n', people, 'wait', '--for=condition=Ready', 'pod/somebody', '--timeout=10m');
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    const all = ['--kubeconfig', this.node.plane.adminKubeconfig, ...args];
    const options = { timeout: 2 * stateMsMax, maxBuffer: outputBytesMax };
    return (await run((await find('kubectl')) ?? 'kubectl', all, options)).stdout;
  }

  /** What kubectl says when it is refused. */
  async refusal(...args: readonly string[]): Promise<string> {
    const answer = await this.kubectl(...args).then(
      text => ({ text, isRefused: false }),
      (error: { stderr?: string }) => ({ text: error.stderr ?? '', isRefused: true }),
    );
    if (!answer.isRefused) throw new Error(`kubectl ${args.join(' ')} was not refused: ${answer.text}`);
    return answer.text;
  }

  /** As k8s/README.md says it: the profile with other values, in a folder. Gives back what differs from the committed files. */
  async render(
    profile: ProfileName,
    sets: readonly string[],
  ): Promise<{ folder: string; differing: string[] }> {
    const folder = path.join(this.node.plane.folder, 'profiles', profile);
    await mkdir(folder, { recursive: true });
    const flags = sets.flatMap(set => ['--set', set]);
    const env = { PATH: process.env.PATH ?? '', HOME: folder };
    await run(process.execPath, [mainFile, 'render', profile, ...flags, '-o', folder], { env });
    const [ours, committed] = await Promise.all([folder, path.join(root, 'k8s', profile)].map(leavesOf));
    const paths = [...new Set([...(ours ?? []), ...(committed ?? [])].map(([at]) => at))];
    const [our, theirs] = [new Map(ours), new Map(committed)];
    const differing = paths.filter(at => our.get(at) !== theirs.get(at));
    return { folder, differing };
  }

  /** A kubelet keeps resources that it knows nothing of; a device plugin would have told it the same. */
  async setGpus(count: number): Promise<void> {
    const status = { capacity: { [gpu]: String(count) }, allocatable: { [gpu]: String(count) } };
    await this.admin.patch(node, { status }, 'merge', 'status');
  }

  async setLabels(labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.admin.patch(node, { metadata: { labels } });
  }

  async setTaints(taints: readonly Taint[]): Promise<void> {
    await this.admin.patch(node, { spec: { taints } });
  }

  pods(namespace: string, app: string): Promise<KubeObject[]> {
    const labels = `app.kubernetes.io/name=${app}`;
    return this.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace }, labels);
  }

  /** Polls until `look` gives something. */
  async until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
    for (const deadline = Date.now() + stateMsMax; ; await sleep(200)) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`${what}: it never came to that.`);
    }
  }

  /** Resolves when the scheduler says this of so many pods, and has a node for the others. */
  async untilUnscheduled(namespace: string, app: string, says: RegExp, count = 1): Promise<void> {
    let seen: string[] = [];
    const look = async (): Promise<true | undefined> => {
      seen = (await this.pods(namespace, app)).map(waitsFor).filter(message => message !== '');
      return seen.length === count && seen.every(message => says.test(message)) ? true : undefined;
    };
    await this.until(`${count} of ${app} without a node`, look).catch((error: unknown) => {
      throw new Error(`${(error as Error).message} ${seen.join('\n')}`);
    });
  }

  /** Resolves when each of these workloads runs as it was told to; an error carries what its pods say. */
  async untilRunning(namespace: string, ...workloads: readonly string[]): Promise<void> {
    const flags = ['-n', namespace, '--timeout=10m'];
    try {
      for (const workload of workloads) {
        const isJob = workload.startsWith('job/');
        const words = isJob ? ['wait', '--for=condition=complete'] : ['rollout', 'status'];
        await this.kubectl(...words, workload, ...flags);
      }
    } catch (error) {
      const seen = await this.kubectl('-n', namespace, 'get', 'pods,events', '-o', 'wide');
      throw new Error(`${(error as Error).message}\n${seen}`);
    }
  }

  /** The command of k8s/README.md, without its base64. */
  async secret(namespace: string, name: string, entry: string): Promise<string> {
    const output = `jsonpath={.data.${entry}}`;
    const text = await this.kubectl('-n', namespace, 'get', 'secret', name, '-o', output);
    return Buffer.from(text, 'base64').toString('utf8');
  }

  /** From a pod of another namespace, by the name that the cluster's DNS knows. */
  async chatFromInside(url: string, model: string, key = ''): Promise<Chat> {
    const command = ['/usr/local/bin/node', '--eval', chatScript, url, model, key];
    const text = await this.kubectl('-n', people, 'exec', 'somebody', '--', ...command);
    const [status = '', ...lines] = text.trim().split('\n');
    return {
      status: Number(status),
      lines: lines.map(line => JSON.parse(line) as Record<string, unknown>),
    };
  }

  /** Asks all gateways of a namespace how many requests wait or run there. */
  async gauge(namespace: string): Promise<() => Promise<number>> {
    const token = await this.secret(namespace, 'ollama-gateway-admin', 'token');
    const pods = await this.pods(namespace, 'bigo-gateway');
    const ask = async (pod: KubeObject): Promise<number> => {
      const url = `http://${pod['status'].podIP}:11436/bigo/v1/fleet`;
      const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
      return ((await answer.json()) as { inFlight: number }).inFlight;
    };
    return async () => (await Promise.all(pods.map(ask))).reduce((sum, count) => sum + count, 0);
  }

  /**
   * Deletes all that the profile made; the next one may begin meanwhile. Pods first: of a namespace with pods Kubernetes
   * looks again only after half of the time that they may take to end, which is minutes for a gateway.
   */
  remove(namespace: string, folder: string): void {
    const workloads = ['deployments,statefulsets,jobs,cronjobs,horizontalpodautoscalers', '--all'];
    const gone = async (): Promise<void> => {
      await this.kubectl('-n', namespace, 'delete', ...workloads, '--timeout=10m');
      await this.until(`the pods of ${namespace} end`, async () => {
        const pods = await this.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace });
        return pods.length === 0 ? true : undefined;
      });
      await this.kubectl('delete', '-f', folder, '--ignore-not-found', '--timeout=10m');
    };
    const removal = gone();
    removal.catch(() => undefined); // told by untilRemoved
    this.#removals.push(removal);
  }

  /** Of all profiles that were removed. */
  async untilRemoved(): Promise<void> {
    await Promise.all(this.#removals);
  }
}

/** Every image under the name that the manifests print. */
async function named(own: Image, ollama: Image): Promise<Image[]> {
  const text = await readFile(path.join(root, 'k8s/production/04-deployment.yaml'), 'utf8');
  const names = [...new Set([...text.matchAll(/^ *image: (\S+)$/gm)].map(found => found[1] ?? ''))];
  const printed = names.map(name => {
    const isOllama = name.startsWith('ollama/');
    // A name without a host is one of Docker's registry.
    return isOllama ? { ...ollama, name: `docker.io/${name}` } : { ...own, name };
  });
  if (printed.length !== 2) throw new Error(`The manifests print other images: ${names.join(', ')}`);
  return [...printed, { ...own, name: imageNames.bigo }];
}

/** Somebody in another namespace, who has Node and nothing else. */
function somebody(image: string): string {
  return `
apiVersion: v1
kind: Namespace
metadata: {name: ${people}, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: ${people}}
---
apiVersion: v1
kind: Pod
metadata: {name: somebody, namespace: ${people}}
spec:
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: main
      image: ${image}
      imagePullPolicy: Never
      command: [/usr/local/bin/node, --eval, "setInterval(() => {}, 1000000)"]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`;
}

const chatScript = `
const [url, model, key] = process.argv.slice(1);
const headers = key === '' ? {} : { authorization: 'Bearer ' + key };
const messages = [{ role: 'user', content: 'hello' }];
const body = JSON.stringify({ model, messages, options: { num_predict: 8 } });
const answer = await fetch(url + '/api/chat', { method: 'POST', headers, body });
console.log(answer.status);
console.log(await answer.text());`;

function waitsFor(pod: KubeObject): string {
  const conditions = (pod['status'].conditions ?? []) as { type: string; status: string; message?: string }[];
  const scheduled = conditions.find(one => one.type === 'PodScheduled');
  return scheduled?.status === 'False' ? (scheduled.message ?? '') : '';
}

/** Every value of a folder of manifests with the place where it stands. */
async function leavesOf(folder: string): Promise<[at: string, value: string][]> {
  const names = await readdir(folder, { recursive: true });
  const leaves: [string, string][] = [];
  for (const name of names.filter(one => one.endsWith('.yaml') || one === 'Kustomization')) {
    for (const document of parseAllDocuments(await readFile(path.join(folder, name), 'utf8'))) {
      const object = document.toJS() as KubeObject;
      collect(object, `${name} ${object.kind} ${object.metadata?.name ?? ''}`, leaves);
    }
  }
  return leaves;
}

function collect(value: unknown, at: string, leaves: [string, string][]): void {
  if (typeof value !== 'object' || value === null) return void leaves.push([at, JSON.stringify(value)]);
  for (const [key, below] of Object.entries(value)) collect(below, `${at}.${key}`, leaves);
}
