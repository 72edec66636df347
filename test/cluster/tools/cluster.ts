// A real Kubernetes control plane for tests: etcd, API server, controller-manager and scheduler, ready in seconds.
// Never listens beyond the address it was given, never uses a fixed port on loopback, leaves nothing behind.
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endAll } from '../../tools/end-all.ts';
import { controlPlaneParts, find, skipUnless } from '../../tools/parts.ts';
import { auditPolicy, readAudit, type AuditEntry, type AuditFilter } from './audit.ts';
import { newTokens, staticUsers, tokenFile, writeKubeconfig, type StaticUser } from './credentials.ts';
import { Daemon } from './daemon.ts';
import { KubeClient, type Credentials } from './kube-client.ts';

const startMsMax = 120_000;
const startAttempts = 3;
const tokenSeconds = 3_600;

type ServerName = (typeof controlPlaneParts)[number];

/** For `test(…, { skip: await skipWithoutCluster() }, …)`. */
export function skipWithoutCluster(): Promise<string | false> {
  return skipUnless(...controlPlaneParts);
}

/** Where the servers run and listen; by default on loopback, on free ports. */
export interface Place {
  readonly address: string;
  /** Words before each command that make it run in another namespace. */
  readonly within: readonly string[];
  readonly serviceCidr: string;
  readonly podCidr: string;
}

export interface ControlPlaneOptions {
  /** More flags by server: later ones win. */
  readonly flags?: Readonly<Partial<Record<ServerName, readonly string[]>>>;
  /** False saves the log's disk space in long runs; `audit()` then throws. */
  readonly audit?: boolean;
  readonly place?: Place;
}

/** A static user, or a service account. */
export type Who = StaticUser | { readonly namespace: string; readonly serviceAccount: string };

export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const programs = await controlPlanePrograms();
  for (let attempt = 1; ; attempt++) {
    const folder = await mkdtemp(path.join(tmpdir(), 'bigo-cluster-'));
    const ports = options.place === undefined ? await freePorts() : fixedPorts;
    const plane = new ControlPlane({ folder, ports, programs, options });
    try {
      await plane.start();
      return plane;
    } catch (error) {
      await plane.stop();
      // Between finding a free port and taking it, another process may have taken it.
      const taken = /address already in use/.test((error as Error).message);
      if (!taken || attempt === startAttempts) throw error;
    }
  }
}

async function controlPlanePrograms(): Promise<Record<ServerName, string>> {
  const found = await Promise.all(controlPlaneParts.map(async name => [name, await find(name)] as const));
  for (const [name, file] of found) {
    if (file === undefined)
      throw new Error(`No ${name} here: npm run tools -- ${controlPlaneParts.join(' ')}`);
  }
  return Object.fromEntries(found) as Record<ServerName, string>;
}

interface Ports {
  readonly api: number;
  readonly etcd: number;
  readonly etcdPeer: number;
}

/** In a network namespace of its own nobody else takes them. */
const fixedPorts: Ports = { api: 6443, etcd: 2379, etcdPeer: 2380 };

async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) await new Promise(resolve => server.close(resolve));
  const [api = 0, etcd = 0, etcdPeer = 0] = ports;
  return { api, etcd, etcdPeer };
}

interface Made {
  readonly folder: string;
  readonly ports: Ports;
  readonly programs: Readonly<Record<ServerName, string>>;
  readonly options: ControlPlaneOptions;
}

const loopback: Place = {
  address: '127.0.0.1',
  within: [],
  serviceCidr: '10.96.0.0/16',
  podCidr: '10.244.0.0/16',
};

export class ControlPlane {
  readonly folder: string;
  readonly url: string;
  readonly place: Place;
  /** As user `admin`, who may do everything. */
  admin!: KubeClient;
  adminKubeconfig = '';
  readonly #made: Made;
  readonly #tokens = newTokens();
  readonly #servers = new Map<ServerName, Daemon>();
  readonly #clients: KubeClient[] = [];
  /** Few: one each time that a test starts the API server again. */
  readonly #starts: { readonly fromMs: number; readonly toMs: number }[] = [];
  #ca = '';

  constructor(made: Made) {
    this.#made = made;
    this.folder = made.folder;
    this.place = made.options.place ?? loopback;
    this.url = `https://${this.place.address}:${made.ports.api}`;
  }

  server(name: ServerName): Daemon {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`${name} was not started.`);
    return server;
  }

  async start(): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs1', format: 'pem' });
    await mkdir(path.join(this.folder, 'certificates'));
    await writeFile(this.#file('service-account.key'), key, { mode: 0o600 });
    await writeFile(this.#file('tokens.csv'), tokenFile(this.#tokens), { mode: 0o600 });
    await writeFile(this.#file('audit-policy.yaml'), auditPolicy);
    await this.#run('etcd', this.#etcdFlags());
    await this.#run('kube-apiserver', this.#apiServerFlags());
    await this.#untilReady();
    this.#ca = await readFile(this.#file('certificates/apiserver.crt'), 'utf8');
    this.admin = await this.client('admin');
    for (const user of staticUsers) await this.kubeconfig(user);
    this.adminKubeconfig = await this.kubeconfig('admin');
    await this.#run('kube-controller-manager', this.#controllerManagerFlags());
    await this.#run('kube-scheduler', this.#schedulerFlags());
  }

  #file(name: string): string {
    return path.join(this.folder, name);
  }

  async #run(name: ServerName, flags: readonly string[]): Promise<void> {
    const { programs, options } = this.#made;
    const command = [programs[name], ...flags, ...(options.flags?.[name] ?? [])];
    const { within } = this.place;
    const server = new Daemon({
      name,
      command,
      folder: this.folder,
      ...(within.length === 0 ? {} : { within }),
    });
    this.#servers.set(name, server);
    await server.start();
  }

  #etcdUrl(): string {
    return `http://${this.place.address}:${this.#made.ports.etcd}`;
  }

  #etcdFlags(): string[] {
    const client = this.#etcdUrl();
    const peer = `http://${this.place.address}:${this.#made.ports.etcdPeer}`;
    return [
      `--data-dir=${this.#file('etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync', // a test's data is thrown away
      '--log-level=warn',
    ];
  }

  #apiServerFlags(): string[] {
    const { address, serviceCidr } = this.place;
    const key = this.#file('service-account.key');
    return [
      `--etcd-servers=${this.#etcdUrl()}`,
      `--cert-dir=${this.#file('certificates')}`,
      `--bind-address=${address}`,
      `--advertise-address=${address}`,
      `--secure-port=${this.#made.ports.api}`,
      `--service-cluster-ip-range=${serviceCidr}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      '--authorization-mode=Node,RBAC',
      `--token-auth-file=${this.#file('tokens.csv')}`,
      '--allow-privileged=true',
      '--kubelet-preferred-address-types=InternalIP',
      // A loopback address may not be an endpoint, and without pods nobody looks for it.
      ...(address === loopback.address ? ['--endpoint-reconciler-type=none'] : []),
      ...(this.#made.options.audit === false ? [] : this.#auditFlags()),
    ];
  }

  #auditFlags(): string[] {
    const policy = this.#file('audit-policy.yaml');
    // A rotated log would lose the entries that a test counts.
    const sizes = ['--audit-log-maxsize=4000', '--audit-log-maxbackup=0'];
    return [`--audit-log-path=${this.#file('audit.log')}`, `--audit-policy-file=${policy}`, ...sizes];
  }

  #controllerManagerFlags(): string[] {
    return [
      `--kubeconfig=${this.#file('kubeconfig-system-kube-controller-manager')}`,
      `--service-account-private-key-file=${this.#file('service-account.key')}`,
      `--root-ca-file=${this.#file('certificates/apiserver.crt')}`,
      `--cluster-cidr=${this.place.podCidr}`,
      '--allocate-node-cidrs=true',
      '--use-service-account-credentials=true',
      '--leader-elect=false',
      '--secure-port=0',
      // A pretended node has no heartbeat: only what the test says makes it not ready.
      ...(this.place === loopback ? ['--node-monitor-grace-period=12h'] : []),
    ];
  }

  #schedulerFlags(): string[] {
    const kubeconfig = this.#file('kubeconfig-system-kube-scheduler');
    return [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'];
  }

  async #untilReady(): Promise<void> {
    const probe = new KubeClient({ url: this.url, token: this.#tokens.admin });
    try {
      const ready = async (): Promise<boolean> => (await probe.send('GET', '/readyz')).status === 200;
      await this.server('kube-apiserver').until(ready, startMsMax);
    } catch (error) {
      const etcd = (await this.server('etcd').log()).slice(-1_000);
      throw new Error(`${(error as Error).message}\netcd's log ends:\n${etcd}`);
    } finally {
      await probe.close();
    }
  }

  async credentials(who: Who): Promise<Credentials> {
    const token = typeof who === 'string' ? this.#tokens[who] : await this.#serviceAccountToken(who);
    return { url: this.url, token, ca: this.#ca };
  }

  /** What a pod of this service account would be given; the account must exist. */
  async #serviceAccountToken(who: Exclude<Who, string>): Promise<string> {
    const target = `/api/v1/namespaces/${who.namespace}/serviceaccounts/${who.serviceAccount}/token`;
    const spec = { expirationSeconds: tokenSeconds };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const answer = await this.admin.call('POST', target, body);
    return (answer['status'] as { token: string }).token;
  }

  async client(who: Who): Promise<KubeClient> {
    const client = new KubeClient(await this.credentials(who));
    this.#clients.push(client);
    return client;
  }

  /** The path of a kubeconfig file for this user. */
  async kubeconfig(who: Who): Promise<string> {
    const name =
      typeof who === 'string' ? who.replaceAll(':', '-') : `${who.namespace}-${who.serviceAccount}`;
    return writeKubeconfig(this.#file(`kubeconfig-${name}`), await this.credentials(who));
  }

  /** A namespace of the test's own, in which pods can be made at once; it is deleted after the test. */
  async namespace(
    t: Pick<TestContext, 'after'>,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const name = `test-${randomBytes(4).toString('hex')}`;
    await this.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    t.after(() => this.#deleteNamespace(name));
    // Pods need it; the controller-manager would make it too, seconds later when it has just started.
    const account = { name: 'default', namespace: name };
    await this.admin.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: account });
    return name;
  }

  async #deleteNamespace(name: string): Promise<void> {
    if (!this.server('kube-apiserver').running) return;
    await this.admin.delete({ apiVersion: 'v1', kind: 'Namespace', name }).catch(() => undefined);
  }

  /** The end of the audit log now, for `since`: everything answered before is in front of it. */
  async auditMark(): Promise<number> {
    await this.#auditWritten();
    return (await stat(this.#file('audit.log'))).size;
  }

  async audit(filter: AuditFilter = {}): Promise<AuditEntry[]> {
    await this.#auditWritten();
    return readAudit(this.#file('audit.log'), filter);
  }

  /** An entry may be written just after its answer left: asks once more and waits for that entry. */
  async #auditWritten(): Promise<void> {
    if (this.#made.options.audit === false) throw new Error('This cluster was started without an audit log.');
    const since = (await stat(this.#file('audit.log'))).size;
    const marker = `/version?marker=${randomUUID()}`;
    await this.admin.send('GET', marker);
    const deadline = Date.now() + 5_000;
    while (Date.now() < deadline) {
      const entries = await readAudit(this.#file('audit.log'), { since });
      if (entries.some(entry => entry.requestURI === marker)) return;
      await sleep(20);
    }
    throw new Error('The audit log stands still.');
  }

  /** As by `kill -9` or an orderly end; clients see their connections cut. */
  async stopApiServer(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.server('kube-apiserver').end(signal);
  }

  async startApiServer(): Promise<void> {
    const fromMs = Date.now();
    await this.server('kube-apiserver').start();
    await this.#untilReady();
    this.#starts.push({ fromMs, toMs: Date.now() });
  }

  /** An API server that starts refuses with 403 what it allows as soon as it has read its roles. */
  wasStarting({ requestReceivedTimestamp }: AuditEntry): boolean {
    const atMs = Date.parse(requestReceivedTimestamp);
    return this.#starts.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs);
  }

  /**
   * After it, everything that goes on from an older version gets 410. The API server answers old pages and watches
   * from its own memory even when etcd has forgotten them, so it is killed and started too.
   */
  async forgetHistory(): Promise<void> {
    await this.compact();
    await this.stopApiServer();
    await this.startApiServer();
  }

  /** Forgets all history in etcd alone; for an API server that runs with --watch-cache=false this is enough. */
  async compact(): Promise<void> {
    const revision = (await this.#etcd('/v3/kv/range', { key: 'AA==' })).header.revision;
    await this.#etcd('/v3/kv/compaction', { revision, physical: true });
  }

  async #etcd(route: string, body: object): Promise<{ header: { revision: string } }> {
    const answer = await fetch(this.#etcdUrl() + route, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`etcd ${route}: ${answer.status} ${text}`);
    return JSON.parse(text) as { header: { revision: string } };
  }

  /** Everything here is thrown away, so nobody is asked to end in order. */
  stop(): Promise<void> {
    const servers = [...this.#servers.values()].toReversed();
    return endAll(
      ...this.#clients.map(client => () => client.close()),
      ...servers.map(server => () => server.end('SIGKILL')),
      () => rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
    );
  }
}
