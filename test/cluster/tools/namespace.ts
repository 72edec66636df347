// A network, mount and process-id namespace of a cluster's own, with one cable to the test's side.
// Never gives its inside a way further than to this machine; when the test process dies, all inside dies with it.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Place } from './cluster.ts';
import { childOf } from './daemon.ts';

const commandMsMax = 60_000;
const clustersMax = 64;

/** 198.18.0.0/15 is set apart for test networks (RFC 2544), so it is nobody's real network. */
function subnet(index: number, third: number): string {
  const block = index * 8 + third;
  return `198.${18 + (block >> 8)}.${block & 255}`;
}

/** Folders where the node's servers write at fixed places; inside they are empty, and gone afterwards. */
const ownFolders = ['/run', '/var/log', '/var/lib/kubelet', '/var/lib/cni'];

export class Namespace implements Place {
  readonly address: string;
  /** The test's own end of the cable: what pods may call, such as a registry of models. */
  readonly testAddress: string;
  readonly serviceCidr: string;
  readonly podCidr: string;
  readonly #index: number;
  readonly #holder: ChildProcess;
  readonly #endNow = (): void => void this.#holder.kill('SIGKILL');

  constructor(index: number, holder: ChildProcess) {
    this.#index = index;
    this.#holder = holder;
    this.testAddress = `${subnet(index, 0)}.1`;
    this.address = `${subnet(index, 0)}.2`;
    this.podCidr = `${subnet(index, 1)}.0/24`;
    this.serviceCidr = `${subnet(index, 2)}.0/24`;
    process.on('exit', this.#endNow);
  }

  /** The first process inside, as this side numbers it. */
  get pid(): number {
    const pid = childOf(this.#holder.pid ?? 0);
    if (pid === undefined) throw new Error('The namespace is gone.');
    return pid;
  }

  get within(): readonly string[] {
    return ['nsenter', `--target=${this.pid}`, '--net', '--mount', '--pid', '--'];
  }

  run(...command: readonly string[]): string {
    return must([...this.within, ...command]);
  }

  connect(): void {
    const inside = `bgi${this.#index}`;
    const outside = `bgo${this.#index}`;
    must(['ip', 'link', 'set', inside, 'netns', String(this.pid)]);
    this.run('ip', 'link', 'set', 'lo', 'up');
    this.run('ip', 'address', 'add', `${this.address}/30`, 'dev', inside);
    this.run('ip', 'link', 'set', inside, 'up');
    this.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    must(['ip', 'address', 'add', `${this.testAddress}/30`, 'dev', outside]);
    must(['ip', 'link', 'set', outside, 'up']);
    for (const cidr of [this.podCidr, this.serviceCidr])
      must(['ip', 'route', 'add', cidr, 'via', this.address]);
  }

  /** Every process inside ends at once; the cable and the routes go with the namespace. */
  async close(): Promise<void> {
    process.off('exit', this.#endNow);
    const gone = new Promise(resolve => this.#holder.once('exit', resolve));
    if (this.#holder.exitCode === null && this.#holder.kill('SIGKILL')) await gone;
    spawnSync('ip', ['link', 'delete', `bgo${this.#index}`], { timeout: commandMsMax });
  }
}

function must(command: readonly string[]): string {
  const [program = '', ...args] = command;
  const run = spawnSync(program, args, { encoding: 'utf8', timeout: commandMsMax });
  if (run.status !== 0)
    throw new Error(`\`${command.join(' ')}\` failed: ${run.stderr || run.error?.message}`);
  return run.stdout;
}

/** Making the cable is what claims the number: the kernel lets only one process do it. */
function claimCable(): number {
  const first = process.pid % clustersMax;
  for (let offset = 0; offset < clustersMax; offset++) {
    const index = (first + offset) % clustersMax;
    const args = ['link', 'add', `bgo${index}`, 'type', 'veth', 'peer', 'name', `bgi${index}`];
    const run = spawnSync('ip', args, { encoding: 'utf8', timeout: commandMsMax });
    if (run.status === 0) return index;
    if (!run.stderr.includes('File exists')) throw new Error(`No network of its own: ${run.stderr}`);
  }
  throw new Error(`${clustersMax} clusters run on this machine already; end some of them.`);
}

/**
 * The first process inside reaps the orphans of the others, which bash does, and waits for the end of its
 * input: that comes when this process ends, however it ends, and with the first process all others end.
 */
const firstProcess = [
  ...ownFolders.map(folder => `mount -t tmpfs -o mode=755 tmpfs ${folder} || exit 1`),
  'echo ready',
  'while read -r _; do :; done',
].join('\n');

export async function openNamespace(): Promise<Namespace> {
  must(['mkdir', '-p', ...ownFolders]);
  const index = claimCable();
  const flags = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const holder = spawn('unshare', [...flags, 'bash', '-c', firstProcess], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const namespace = new Namespace(index, holder);
  try {
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: holder.stdout }).once('line', () => resolve());
      holder.once('error', reject);
      holder.once('exit', code => reject(new Error(`unshare ended with ${code}.`)));
    });
    namespace.connect();
    return namespace;
  } catch (error) {
    await namespace.close();
    throw error;
  }
}
