// A cluster in which pods really run: the control plane, containerd, kubelet, kube-proxy and CoreDNS in namespaces
// of their own. Never touches this machine's own network, firewall rules or containers. Needs root on Linux.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { endAll } from '../../tools/end-all.ts';
import { controlPlaneParts, find, nodeParts, skipUnless } from '../../tools/parts.ts';
import { startControlPlane, type ControlPlane, type ControlPlaneOptions } from './cluster.ts';
import { Daemon } from './daemon.ts';
import { imageNames, pauseImage, withArchive, type Image } from './images.ts';
import type { KubeObject } from './kube-client.ts';
import { openNamespace, type Namespace } from './namespace.ts';
import { corefile, containerdToml, kubeletYaml, mirrorToml, networkJson } from './node-files.ts';
import { Provisioner } from './provisioner.ts';

const nodeName = 'node-1';
const readyMsMax = 120_000;
const importMsMax = 120_000;
const cgroupRoot = '/sys/fs/cgroup';

/** For `test(…, { skip: await skipWithoutNode() }, …)`. */
export async function skipWithoutNode(): Promise<string | false> {
  if (process.platform !== 'linux') return 'only on Linux: pods that really run';
  const missing = await skipUnless(...controlPlaneParts, ...nodeParts);
  if (missing !== false) return missing;
  // These two are gaps, not explanations: where everything is required they fail the run.
  if (process.getuid?.() !== 0) return 'pods that really run want root: sudo npm test -- node';
  const made = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true'], { encoding: 'utf8' });
  return made.status === 0 ? false : `pods that really run want namespaces, and: ${made.stderr.trim()}`;
}

export interface NodeOptions extends Omit<ControlPlaneOptions, 'place'> {
  readonly images?: readonly Image[];
  /** Names of the world outside that lead its pods to the test instead, such as that of a registry of models. */
  readonly outsideNames?: readonly string[];
}

export async function startNode(options: NodeOptions = {}): Promise<RunningNode> {
  const place = await openNamespace();
  try {
    const plane = await startControlPlane({ ...options, place });
    const node = new RunningNode(place, plane);
    try {
      await node.start(options);
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  } catch (error) {
    await place.close();
    throw error;
  }
}

type ServerName = (typeof nodeParts)[number];

export class RunningNode {
  readonly plane: ControlPlane;
  readonly place: Namespace;
  readonly #servers = new Map<ServerName, Daemon>();
  readonly #provisioner: Provisioner;
  readonly #cgroup = `bigo-node-${process.pid}-${Date.now() % 100_000}`;

  constructor(place: Namespace, plane: ControlPlane) {
    this.place = place;
    this.plane = plane;
    const run = (...command: readonly string[]): string => place.run(...command);
    const folder = path.join(plane.folder, 'claims');
    this.#provisioner = new Provisioner({ client: plane.admin, folder, node: { name: nodeName, run } });
  }

  /** Pods and Services answer on their own addresses; their names need this server. */
  get dnsServer(): string {
    return this.place.address;
  }

  server(name: ServerName): Daemon {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`${name} was not started.`);
    return server;
  }

  async start({ images = [], outsideNames = [] }: NodeOptions): Promise<void> {
    await this.#writeFiles(outsideNames);
    await this.#run('containerd', ['--config', this.#file('containerd.toml')]);
    await this.server('containerd').until(async () => this.#ctr('version') !== '', readyMsMax);
    await this.addImages([await pauseImage(), ...images]);
    await this.#run('kubelet', this.#kubeletFlags());
    await this.#run('kube-proxy', this.#kubeProxyFlags());
    await this.#run('coredns', ['-conf', this.#file('Corefile')]);
    await this.#provisioner.start();
    const ref = { apiVersion: 'v1', kind: 'Node', name: nodeName };
    const isReady = async (): Promise<boolean> => {
      const node = await this.plane.admin.find(ref);
      const conditions = (node?.['status'].conditions ?? []) as { type: string; status: string }[];
      return conditions.some(one => one.type === 'Ready' && one.status === 'True');
    };
    await this.server('kubelet').until(isReady, readyMsMax);
  }

  #file(name: string): string {
    return path.join(this.plane.folder, 'node', name);
  }

  async #writeFiles(outsideNames: readonly string[]): Promise<void> {
    for (const folder of ['cni', 'containerd', 'kubelet'])
      await mkdir(this.#file(folder), { recursive: true });
    await makeCgroup(this.#cgroup);
    const { podCidr, address, testAddress } = this.place;
    const folder = this.#file('');
    const kubeconfig = path.join(this.plane.folder, 'kubeconfig-node');
    await writeFile(this.#file('cni/10-pods.conflist'), networkJson({ folder, podCidr }));
    await writeFile(this.#file('containerd.toml'), containerdToml({ folder, pauseImage: imageNames.pause }));
    await writeFile(this.#file('kubelet.yaml'), kubeletYaml({ folder, address, cgroup: `/${this.#cgroup}` }));
    const hosts = outsideNames.map(name => `${testAddress} ${name}`);
    await writeFile(this.#file('Corefile'), corefile({ address, kubeconfig, hosts }));
  }

  async #run(name: ServerName, flags: readonly string[]): Promise<void> {
    const binary = await find(name);
    if (binary === undefined) throw new Error(`No ${name} here: npm run tools -- ${nodeParts.join(' ')}`);
    const { within } = this.place;
    const server = new Daemon({ name, command: [binary, ...flags], folder: this.#file(''), within });
    this.#servers.set(name, server);
    await server.start();
  }

  #kubeletFlags(): string[] {
    return [
      `--config=${this.#file('kubelet.yaml')}`,
      `--kubeconfig=${path.join(this.plane.folder, 'kubeconfig-node')}`,
      `--root-dir=${this.#file('kubelet')}`,
      `--node-ip=${this.place.address}`,
      `--hostname-override=${nodeName}`,
    ];
  }

  #kubeProxyFlags(): string[] {
    return [
      `--kubeconfig=${path.join(this.plane.folder, 'kubeconfig-node')}`,
      `--hostname-override=${nodeName}`,
      `--cluster-cidr=${this.place.podCidr}`,
      '--proxy-mode=iptables',
      // These are settings of the whole machine: left as they are.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ];
  }

  #ctr(...args: readonly string[]): string {
    const socket = this.#file('containerd.sock');
    const command = ['ctr', '--address', socket, '--namespace', 'k8s.io', ...args];
    const [program = '', ...words] = [...this.place.within, ...command];
    const run = spawnSync(program, words, { encoding: 'utf8', timeout: importMsMax });
    if (run.status !== 0) throw new Error(`ctr ${args.join(' ')}: ${run.stderr}`);
    return run.stdout;
  }

  async addImages(images: readonly Image[]): Promise<void> {
    await withArchive(this.#file(''), images, archive => void this.#ctr('images', 'import', archive));
  }

  /** Images of this registry, such as docker.io, are pulled from `url` from now on. */
  async mirror(registry: string, url: string): Promise<void> {
    const folder = this.#file(path.join('registries', registry));
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'hosts.toml'), mirrorToml(url));
  }

  /** As `kill -9` of a container's first process: no hook runs, nobody is asked. */
  killContainer(pod: KubeObject, name: string): void {
    const statuses = (pod['status'].containerStatuses ?? []) as { name: string; containerID?: string }[];
    const id = statuses.find(one => one.name === name)?.containerID?.replace('containerd://', '');
    if (id === undefined) throw new Error(`Pod ${pod.metadata.name} runs no container ${name}.`);
    this.#ctr('tasks', 'kill', '--signal', 'SIGKILL', id);
  }

  /** Where the files of a claim of class `local` lie, for a test that reads or breaks them. */
  async claimFolder(namespace: string, name: string): Promise<string> {
    const ref = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name };
    return this.#provisioner.folderOf(await this.plane.admin.get(ref));
  }

  /** Everything inside ends with the namespace; what lies outside it is taken away after. */
  stop(): Promise<void> {
    return endAll(
      () => this.#provisioner.stop(),
      () => this.place.close(),
      () => this.plane.stop(),
      () => removeCgroup(this.#cgroup),
    );
  }
}

/** With cgroup v1 there is a tree per controller, with v2 only one. */
async function cgroupTrees(): Promise<string[]> {
  const unified = await readFile(path.join(cgroupRoot, 'cgroup.controllers'), 'utf8').catch(() => undefined);
  if (unified !== undefined) return [cgroupRoot];
  const entries = await readdir(cgroupRoot, { withFileTypes: true });
  return entries.filter(one => one.isDirectory()).map(one => path.join(cgroupRoot, one.name));
}

/** A kubelet removes what it does not know below its root, so each has a root of its own. */
async function makeCgroup(name: string): Promise<void> {
  for (const tree of await cgroupTrees()) {
    await sweepCgroups(tree);
    const folder = path.join(tree, name);
    await mkdir(folder, { recursive: true });
    // In v1 a new cpuset holds no processor and no memory, and refuses every process.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const parent = await readFile(path.join(tree, file), 'utf8').catch(() => '');
      if (parent.trim() !== '') await writeFile(path.join(folder, file), parent).catch(() => undefined);
    }
  }
}

/** What test processes left that were killed: the kernel ended their pods but keeps the empty folders. */
async function sweepCgroups(tree: string): Promise<void> {
  for (const name of await readdir(tree)) {
    const owner = /^bigo-node-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) await removeFolders(path.join(tree, name));
  }
}

async function removeCgroup(name: string): Promise<void> {
  for (const tree of await cgroupTrees()) await removeFolders(path.join(tree, name));
}

async function removeFolders(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeFolders(path.join(folder, entry.name));
  await rmdir(folder).catch(() => undefined);
}
