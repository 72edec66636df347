// Starts an operator: caches, lease, workers, admin address; ends it in the opposite order. Decides nothing about a resource.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BigoError } from '../api/errors.ts';
import type { KubeObject } from '../api/kube-object.ts';
import type { HostPort } from '../api/settings.ts';
import type { Clock } from '../platform/clock.ts';
import { createHttpClient } from '../platform/http.ts';
import { createKubeClient, type KubeClient } from '../platform/kube/client.ts';
import type { KubeAccess } from '../platform/kube/kubeconfig.ts';
import type { KubeKind } from '../platform/kube/paths.ts';
import type { Log } from '../platform/log.ts';
import { startAdmin } from './admin.ts';
import { AgentPoller } from './agents.ts';
import { Backoff, pause } from '../platform/backoff.ts';
import { Cache, type CacheChange, objectKey } from './cache.ts';
import { createClusterView, isServed } from './cluster-view.ts';
import { Controller } from './controller.ts';
import type { Desired, DesiredInput, DesiredSettings } from './core/desired/input.ts';
import { LEASE_TIMES, type LeaseTimes } from './core/lease.ts';
import { PORTS } from './core/names.ts';
import { FIELD_MANAGER, OWNER_LABEL } from './core/plan.ts';
import { nodeOf, podStatus } from './core/status/observed.ts';
import { EventRecorder } from './events.ts';
import { CHILD_KINDS, DEPLOYMENT_RESOURCE, NODE, OPTIONAL_KINDS, POD, STORAGE_CLASS, trim } from './kinds.ts';
import { LeaderLease } from './lease.ts';
import { createOperatorMetrics, type OperatorMetrics } from './metrics.ts';
import { Reconciler } from './reconcile.ts';
import { Reflector, type ReflectorLimits } from '../platform/kube/reflector.ts';
import { Autoscaler, type ScaleIntervals } from './scale.ts';
import { SecretReader } from './secrets.ts';

export interface OperatorOptions {
  readonly access: KubeAccess;
  /** Empty = the whole cluster. */
  readonly namespaces: readonly string[];
  readonly leaseNamespace: string;
  readonly admin: HostPort;
  readonly version: string;
  readonly desired: (input: DesiredInput) => Desired;
  readonly settings: DesiredSettings & { readonly ollamaTag: string };
  readonly clock: Clock;
  readonly rng: () => number;
  readonly log: Log;
  readonly limits?: OperatorLimits;
}

/** For tests; the defaults are for clusters. */
export interface OperatorLimits {
  readonly reflector?: Partial<ReflectorLimits>;
  readonly lease?: LeaseTimes;
  readonly secretRoundMs?: number;
  readonly syncMsMax?: number;
  readonly resyncMs?: number;
  readonly agentUrl?: (pod: KubeObject) => string | undefined;
  readonly agentBusyMs?: number;
  readonly gatewayUrl?: (pod: KubeObject) => string | undefined;
  readonly scale?: ScaleIntervals;
}

export interface RunningOperator {
  readonly adminUrl: string;
  /** Resolves when this process leads. */
  readonly leading: Promise<void>;
  /** Rejects when it cannot go on: the lease is lost, or the caches were never filled. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

const workersMax = 8;
const passMsMax = 60_000;
const requestMsMax = 30_000;
const syncMsMax = 120_000;
const secretRoundMs = 50_000;
const resyncMs = 10 * 3_600_000;

export async function startOperator(options: OperatorOptions): Promise<RunningOperator> {
  const parts = makeParts(options);
  const { controller, lease, stop } = parts;
  const isSynced = { value: false };
  const admin = await startAdmin({
    at: options.admin,
    metrics: parts.metrics.exporter,
    notReady: () => (isSynced.value ? undefined : 'the caches are not filled yet'),
  });
  const leading = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const life = live(parts, () => {
    isSynced.value = true;
  })
    .then(() => {
      if (!stop.signal.aborted) leading.resolve();
      return lease.hold(stop.signal);
    })
    .then(isLost => {
      if (isLost) throw new BigoError('lease_lost', 'Another operator may lead now, so this one ends.');
    })
    .catch((error: unknown) => {
      if (!stop.signal.aborted) failed.reject(error);
    });
  return {
    adminUrl: admin.url,
    leading: leading.promise,
    failed: failed.promise,
    close: async () => {
      await controller.stop();
      stop.abort(new Error('the operator ends'));
      await life;
      await lease.release();
      parts.agents.stop();
      await Promise.all(parts.running);
      await Promise.all([parts.client.close(), parts.leaseClient.close(), parts.http.close(), admin.close()]);
    },
  };
}

interface Parts {
  readonly options: OperatorOptions;
  readonly stop: AbortController;
  readonly client: KubeClient;
  readonly leaseClient: KubeClient;
  readonly http: ReturnType<typeof createHttpClient>;
  readonly cache: Cache;
  readonly controller: Controller;
  readonly lease: LeaderLease;
  readonly agents: AgentPoller;
  readonly secrets: SecretReader;
  readonly metrics: OperatorMetrics;
  readonly passes: { run: (key: string, signal: AbortSignal) => Promise<number | undefined> };
  readonly identity: string;
  /** Loops that end with `stop`. */
  readonly running: Promise<void>[];
}

function makeParts(options: OperatorOptions): Parts {
  const { access, clock, rng, log, limits } = options;
  const userAgent = userAgentOf(options);
  const times = limits?.lease ?? LEASE_TIMES;
  const identity = `${hostname()}_${randomUUID()}`;
  const nowMs = () => clock.nowMs();
  const client = createKubeClient(access, { userAgent, nowMs, requestMsMax });
  const leaseClient = createKubeClient(access, { userAgent, nowMs, requestMsMax: times.renewDeadlineMs / 2 });
  const passes: Parts['passes'] = { run: () => Promise.resolve(undefined) };
  const cache = new Cache(ownerOf, (kind, change) => enqueue(kind, change));
  const lease = new LeaderLease({
    ...{ clock, rng, log, identity, times },
    client: leaseClient,
    namespace: options.leaseNamespace,
    name: FIELD_MANAGER,
  });
  const metrics = createOperatorMetrics({
    resources: () => cache.all(DEPLOYMENT_RESOURCE),
    depth: () => controller.depth,
    active: () => controller.active,
    isLeader: () => lease.isLeader,
    workers: workersMax,
  });
  const controller = new Controller({
    reconcile: (key, signal) => passes.run(key, signal),
    ...{ clock, log, ...metrics },
    workers: workersMax,
    deadlineMsMax: passMsMax,
    onResult: (_key, result, tookMs) => metrics.onResult(result, tookMs),
  });
  const enqueue = (kind: KubeKind, change: CacheChange): void => {
    const isNew = kind === DEPLOYMENT_RESOURCE && change.type === 'set' && change.before === undefined;
    for (const key of keysOf(cache, kind, change)) controller.add(key, isNew ? 'whole' : 'news');
  };
  const http = createHttpClient({ connectMsMax: 2_000 });
  const agents = new AgentPoller({
    ...{ http, clock, rng, userAgent },
    onChange: key => controller.add(key),
    ...(limits?.agentBusyMs === undefined ? {} : { intervals: { busyMs: limits.agentBusyMs } }),
  });
  const roundMs = limits?.secretRoundMs ?? secretRoundMs;
  const secrets = new SecretReader({ client, cache, roundMs });
  const stop = new AbortController();
  const base = { options, stop, client, leaseClient, http, cache, controller, lease, agents };
  return { ...base, secrets, metrics, passes, identity, running: [] };
}

/** Resolves when this process leads and its workers run. */
async function live(parts: Parts, onSynced: () => void): Promise<void> {
  const { options, stop, cache, controller, lease, secrets, running } = parts;
  const deadlineMs = options.clock.nowMs() + (options.limits?.syncMsMax ?? syncMsMax);
  const optional = await discover(parts, deadlineMs);
  const isClusterWide = options.namespaces.length === 0;
  const view = createClusterView({ client: parts.client, cache, isClusterWide, optional });
  const shared = {
    ...parts,
    ...options,
    userAgent: userAgentOf(options),
    events: new EventRecorder({ ...parts, ...options, onEvent: () => parts.metrics.onEvent() }),
    mayWrite: () => {
      if (!lease.isLeader)
        throw new BigoError('lease_lost', 'This operator does not lead, so it writes nothing.');
    },
    onWrite: (verb: string, kind: string) => parts.metrics.onWrite(verb, kind),
  };
  const { limits } = options;
  const autoscaler = new Autoscaler({
    ...shared,
    ...(limits?.scale === undefined ? {} : { intervals: limits.scale }),
  });
  stop.signal.addEventListener('abort', () => autoscaler.stop(), { once: true });
  const reconciler = new Reconciler({
    ...shared,
    view,
    autoscaler,
    wallIso: () => options.clock.wallIso(),
    nowMs: () => options.clock.nowMs(),
    agentUrl: limits?.agentUrl ?? agentUrl,
    gatewayUrl: limits?.gatewayUrl ?? gatewayUrl,
  });
  parts.passes.run = (key, signal) => reconciler.pass(key, signal);
  const reflectors = makeReflectors(parts, optional);
  running.push(...reflectors.map(reflector => reflector.run(stop.signal)));
  await syncBefore(reflectors, deadlineMs - options.clock.nowMs(), stop.signal);
  onSynced();
  await lease.acquire(stop.signal);
  if (stop.signal.aborted) return;
  controller.start();
  running.push(secrets.run(stop.signal), resync(parts));
}

/** An API server that comes up late is waited for; optional kinds that come later are found at the next start. */
async function discover({ client, options, stop }: Parts, deadlineMs: number): Promise<KubeKind[]> {
  const found: KubeKind[] = [];
  for (const kind of OPTIONAL_KINDS) {
    const backoff = new Backoff({ msMin: 100, msMax: 2_000 }, options.rng);
    while (!stop.signal.aborted) {
      try {
        if (await isServed(client, kind)) found.push(kind);
        break;
      } catch (error) {
        if (options.clock.nowMs() > deadlineMs) throw error;
        options.log.warn({ error: String(error) }, 'the API server cannot be asked yet');
        await pause(backoff.nextMs(), stop.signal);
      }
    }
  }
  return found;
}

function makeReflectors(parts: Parts, optional: readonly KubeKind[]): Reflector[] {
  const { options, cache, client, metrics } = parts;
  const { namespaces, rng, log, limits } = options;
  const scopes = namespaces.length === 0 ? [undefined] : namespaces;
  const make = (kind: KubeKind, namespace: string | undefined, labelSelector?: string) =>
    new Reflector({
      ...{ client, cache, rng, log, trim: trim(kind) },
      scope: { kind, namespace, labelSelector },
      onList: () => metrics.onList(kind.kind),
      onWatch: () => metrics.onWatch(kind.kind),
      ...(limits?.reflector === undefined ? {} : { limits: limits.reflector }),
    });
  const children = [...CHILD_KINDS, ...optional, POD];
  return [
    ...scopes.flatMap(namespace => [
      make(DEPLOYMENT_RESOURCE, namespace),
      ...children.map(kind => make(kind, namespace, OWNER_LABEL)),
    ]),
    ...(namespaces.length === 0 ? [make(NODE, undefined), make(STORAGE_CLASS, undefined)] : []),
  ];
}

async function syncBefore(
  reflectors: readonly Reflector[],
  msMax: number,
  signal: AbortSignal,
): Promise<void> {
  const late = new AbortController();
  const ended = AbortSignal.any([signal, late.signal]);
  const tooLate = sleep(msMax, 'late' as const, { signal: ended, ref: false }).catch(() => 'ended' as const);
  const all = Promise.all(reflectors.map(({ synced }) => synced)).then(() => 'synced' as const);
  const first = await Promise.race([all, tooLate]);
  late.abort();
  if (first === 'synced') return;
  throw new BigoError(
    'cache_not_synced',
    'Not everything that the operator watches could be listed in time.',
  );
}

/** Everything is looked at again at least this often, whatever events were missed. */
async function resync({ options, stop, cache, controller }: Parts): Promise<void> {
  const everyMs = options.limits?.resyncMs ?? resyncMs;
  while (!stop.signal.aborted) {
    await pause(everyMs * (0.9 + 0.2 * options.rng()), stop.signal);
    if (stop.signal.aborted) return;
    for (const key of cache.keys(DEPLOYMENT_RESOURCE)) controller.add(key, 'whole');
  }
}

function ownerOf({ kind, metadata }: KubeObject): string | undefined {
  const owner = metadata.labels?.[OWNER_LABEL];
  return owner === undefined || kind === DEPLOYMENT_RESOURCE.kind
    ? undefined
    : `${metadata.namespace ?? ''}/${owner}`;
}

/** The resources that a change concerns. */
function keysOf(cache: Cache, kind: KubeKind, change: CacheChange): string[] {
  const { object } = change;
  if (kind === DEPLOYMENT_RESOURCE) {
    const isNews = change.type === 'gone' || isDeclaredAnew(change.before, object);
    return isNews ? [objectKey(object)] : [];
  }
  if (kind === NODE)
    return change.type === 'set' && isSameNode(change.before, object) ? [] : keysOnNode(cache, object);
  const before = change.type === 'set' ? change.before : undefined;
  const owners = [ownerOf(object), before === undefined ? undefined : ownerOf(before)];
  return [...new Set(owners.filter(owner => owner !== undefined))];
}

/** What we write into the status ourselves is no news. */
function isDeclaredAnew(before: KubeObject | undefined, now: KubeObject): boolean {
  if (before === undefined) return true;
  const declared = ({ metadata }: KubeObject) =>
    JSON.stringify([
      metadata.uid,
      metadata.generation,
      metadata.deletionTimestamp,
      metadata.labels,
      metadata.annotations,
    ]);
  return declared(before) !== declared(now);
}

function isSameNode(before: KubeObject | undefined, now: KubeObject): boolean {
  return before !== undefined && JSON.stringify(before['status']) === JSON.stringify(now['status']);
}

function keysOnNode(cache: Cache, { metadata }: KubeObject): string[] {
  const pods = cache.all(POD).filter(pod => nodeOf(pod) === metadata.name);
  return [...new Set(pods.map(ownerOf).filter(owner => owner !== undefined))];
}

const userAgentOf = ({ version }: Pick<OperatorOptions, 'version'>): string => `bigo-operator/${version}`;

function agentUrl(pod: KubeObject): string | undefined {
  return isApp(pod, 'ollama') ? urlOf(pod, PORTS.agent) : undefined;
}

function gatewayUrl(pod: KubeObject): string | undefined {
  return isApp(pod, 'bigo-gateway') ? urlOf(pod, PORTS.gatewayAdmin) : undefined;
}

function isApp(pod: KubeObject, name: string): boolean {
  return pod.metadata.labels?.['app.kubernetes.io/name']?.startsWith(name) === true;
}

function urlOf(pod: KubeObject, port: number): string | undefined {
  const ip = podStatus(pod).podIP;
  return ip === undefined ? undefined : `http://${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}
