// Puts one gateway together, starts it, drains it, closes it. The only file of the gateway that makes its parts.
// Never routes and never forwards: see handle.ts, loop.ts, flight.ts.
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BigoError } from '../api/errors.ts';
import type { BackendSpec } from '../api/fleet.ts';
import type { GatewaySettings } from '../api/settings.ts';
import { modelKey } from '../api/names.ts';
import type { Fleet } from '../fleet/types.ts';
import type { Clock } from '../platform/clock.ts';
import { collectOnOneThread, collectRequestsYoung } from '../platform/collector.ts';
import { createHttpClient } from '../platform/http.ts';
import { HttpServer } from '../platform/http-server.ts';
import { LineWriter } from '../platform/log.ts';
import type { Log } from '../platform/log.ts';
import { AdminServer } from './admin.ts';
import type { GatewayContext } from './context.ts';
import { ROUTES } from './core/request/routes.ts';
import { createScheduler } from './core/scheduler/scheduler.ts';
import type { Scheduler } from './core/scheduler/scheduler.ts';
import type { SchedulerView } from './core/scheduler/view.ts';
import { Deadlines, sweepStepMs } from './deadlines.ts';
import { FrozenWatch } from './frozen.ts';
import { Handler } from './handle.ts';
import type { ModelRoutes, Mount } from './handle.ts';
import { RequestIds } from './ids.ts';
import { Journal } from './journal.ts';
import { KeyRing } from './keys.ts';
import { Loads } from './loads.ts';
import { Loop } from './loop.ts';
import { GatewayMetrics } from './metrics.ts';
import { ModelIndex } from './models-known.ts';
import { RecentRequests } from './recent.ts';
import { checkSettings } from './settings-check.ts';
import { Upstream } from './upstream.ts';

export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Started by the caller, and stopped by it after close(). */
  readonly fleet: Fleet;
  /** Uniform in [0, 1). */
  readonly rng: () => number;
  /** The same that the fleet was given. */
  readonly instanceId: string;
  readonly version: string;
  readonly models: ModelRoutes;
  /** A model could not be loaded there, by its own fault and not by the backend's. */
  readonly onLoadFailed?: (backend: BackendSpec, model: string) => void;
  readonly mount?: Mount;
  /** Between two questions whether a silent backend is frozen. */
  readonly frozenProbeMs?: number;
}

export interface Gateway {
  readonly url: string;
  readonly adminUrl: string;
  /** Readiness off, soon no new connections; every request that was taken has drainMsMax to finish, then everything is closed. */
  drain(): Promise<void>;
  /** At once: what runs is cut with an error. */
  close(): Promise<void>;
  /** Backends that were found since; everything else stays. */
  setBackends(backends: readonly BackendSpec[]): void;
  /** Everything but the addresses and the journal's folder. Throws, and changes nothing, when the settings are wrong. */
  reload(settings: GatewaySettings): Promise<void>;
}

const connectionsMax = 20_000;
const drainLookMs = 20;
/** Answers that began before the drain did not say that their connection ends: a client may just be sending its next request. */
const quietLooksNeeded = 10;
const flushMs = 100;

export async function startGateway(settings: GatewaySettings, deps: GatewayDeps): Promise<Gateway> {
  checkSettings(settings);
  collectOnOneThread();
  collectRequestsYoung();
  // Whatever can be wrong is read before anything runs that would have to be stopped.
  const running = new RunningGateway(settings, deps, readTls(settings));
  try {
    await running.listen();
  } catch (error) {
    await running.close();
    throw error;
  }
  return running;
}

class RunningGateway implements Gateway {
  url = '';
  adminUrl = '';
  private readonly context: GatewayContext;
  private readonly scheduler: Scheduler;
  private readonly loads: Loads;
  private readonly main: HttpServer;
  private readonly admin: AdminServer;
  private readonly endSubscription: () => void;
  private readonly deps: GatewayDeps;
  private closing: Promise<void> | undefined;
  /** Since the drain began. */
  private lastTakenMs = 0;

  constructor(settings: GatewaySettings, deps: GatewayDeps, tls: { tls?: TlsPair }) {
    this.deps = deps;
    this.loads = new Loads();
    this.scheduler = createScheduler({
      rng: deps.rng,
      ticketsMax: settings.queue.ticketsMax,
      declared: declaredKeys(settings),
    });
    this.context = makeContext(settings, deps, { scheduler: this.scheduler, loads: this.loads });
    const { context } = this;
    this.loads.attach(context);
    context.keys.watch(error => this.noteKeys(error));
    const ids = new RequestIds();
    const handler = new Handler(context, ids, deps.models);
    this.main = new HttpServer({
      receiveMsMax: settings.time.receiveMsMax,
      connectionsMax,
      nextRequestId: () => ids.next(),
      onRequest: (req, res, expectsContinue) => {
        this.noteTaken();
        handler.handle({ req, res, expectsContinue });
      },
      lane: {
        serves: LANE_ROUTES,
        onCall: call => {
          this.noteTaken();
          handler.handle(call);
        },
      },
      ...tls,
    });
    this.admin = new AdminServer(context, { ids, connections: () => this.main.connections });
    this.endSubscription = deps.fleet.onChange(snapshot => {
      context.models.useSnapshot(snapshot);
      context.loop.feed({ type: 'fleet', snapshot });
      this.admin.changed();
    });
    const snapshot = deps.fleet.snapshot();
    context.models.useSnapshot(snapshot);
    context.loop.feed({ type: 'fleet', snapshot });
    context.frozen.start(context);
  }

  async listen(): Promise<void> {
    this.url = await this.main.listen(this.context.settings.listen);
    this.adminUrl = await this.admin.listen(this.context.settings.admin);
  }

  async drain(): Promise<void> {
    const { context } = this;
    const { drainMsMax } = context.settings.time;
    const startMs = context.now();
    // A connection from before carries at most one more request, and that one has as long as any other.
    const deadlineMs = (): number =>
      Math.min(Math.max(startMs, this.lastTakenMs), startMs + drainMsMax) + drainMsMax;
    context.draining = true;
    context.log.info({ inFlight: context.flights.inFlight }, 'draining');
    await this.untilForgotten(startMs);
    this.main.stopAccepting();
    let quietLooks = 0;
    while (quietLooks < quietLooksNeeded && context.now() < deadlineMs() && this.closing === undefined) {
      quietLooks = this.main.openRequests === 0 ? quietLooks + 1 : 0;
      if (this.main.connections === 0) break;
      await sleep(drainLookMs);
    }
    await this.close();
  }

  /** Whoever sends a new request here has not heard yet that this gateway ends, and would be refused by a closed port. */
  private async untilForgotten(startMs: number): Promise<void> {
    const { context } = this;
    const { drainGraceMs = 0, drainMsMax } = context.settings.time;
    const isAwaited = (): boolean => {
      const nowMs = context.now();
      return nowMs - Math.max(startMs, this.lastTakenMs) < drainGraceMs && nowMs - startMs < drainMsMax;
    };
    while (this.closing === undefined && isAwaited()) await sleep(drainLookMs);
  }

  private noteTaken(): void {
    if (this.context.draining) this.lastTakenMs = this.context.now();
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  async reload(settings: GatewaySettings): Promise<void> {
    const { context } = this;
    checkSettings(settings);
    const tls = readTls(settings);
    context.keys.close();
    context.keys.use(settings.keysFile, settings.anonymousRole);
    context.keys.watch(error => this.noteKeys(error));
    context.settings = settings;
    context.models.useSettings(settings);
    context.upstream.setBackends(settings.backends);
    context.fleet.setBackends(settings.backends);
    this.scheduler.setLimits({ ticketsMax: settings.queue.ticketsMax, declared: declaredKeys(settings) });
    if (tls.tls !== undefined) this.main.useTls(tls.tls);
    context.loop.feed({ type: 'tick' });
    context.log.info({ backends: settings.backends.length }, 'configuration reloaded');
  }

  setBackends(backends: readonly BackendSpec[]): void {
    const { context } = this;
    if (this.closing !== undefined) return;
    context.settings = { ...context.settings, backends };
    context.upstream.setBackends(backends);
    context.fleet.setBackends(backends);
    context.loop.feed({ type: 'tick' });
  }

  private async shut(): Promise<void> {
    const { context } = this;
    context.draining = true;
    this.main.stopAccepting();
    this.endSubscription();
    context.deadlines.stop();
    this.loads.close();
    if (context.flights.inFlight > 0) await sleep(flushMs);
    await Promise.all([this.main.close(), this.admin.close()]);
    context.loop.close();
    context.frozen.close();
    context.deadlines.close();
    context.keys.close();
    context.upstream.close();
    await context.http.close();
    context.journal.close();
    context.requestLog.flush();
  }

  private noteKeys(error: Error | undefined): void {
    if (error === undefined) this.deps.log.info('keys reloaded');
    else this.deps.log.error({ error: error.message }, 'keys file is wrong; the keys stay as they were');
  }
}

interface BrainParts {
  readonly scheduler: Scheduler;
  readonly loads: Loads;
}

function makeContext(settings: GatewaySettings, deps: GatewayDeps, brain: BrainParts): GatewayContext {
  const { clock, log } = deps;
  const metrics = new GatewayMetrics(deps.version);
  const models = new ModelIndex();
  models.useSettings(settings);
  const upstream = new Upstream({
    connectMsMax: settings.time.connectMsMax,
    instanceId: deps.instanceId,
  });
  upstream.setBackends(settings.backends);
  const keys = new KeyRing();
  keys.use(settings.keysFile, settings.anonymousRole);
  const journal = makeJournal(settings, deps, metrics);
  return {
    settings,
    draining: false,
    bodyBytesHeld: 0,
    instanceId: deps.instanceId,
    version: deps.version,
    hasPage: deps.mount !== undefined,
    mount: deps.mount,
    clock,
    now: () => clock.nowMs(),
    wallIso: wallClock(clock),
    flights: { inFlight: 0, retrying: 0 },
    log,
    requestLog: new LineWriter(log, 'request'),
    fleet: deps.fleet,
    onLoadFailed: deps.onLoadFailed ?? (() => {}),
    http: createHttpClient({ connectMsMax: settings.time.connectMsMax }),
    upstream,
    loop: new Loop<SchedulerView>({ scheduler: brain.scheduler, clock, loads: brain.loads }),
    models,
    deadlines: new Deadlines(clock, sweepStepMs(Object.values(settings.time))),
    frozen: new FrozenWatch(deps.frozenProbeMs),
    metrics,
    journal,
    keys,
    recent: new RecentRequests(),
  };
}

function makeJournal(settings: GatewaySettings, deps: GatewayDeps, metrics: GatewayMetrics): Journal {
  const { bigo_journal_records_total: records, bigo_journal_failures_total: failures } = metrics.families;
  let saidAtMs = -Infinity;
  return new Journal({
    ...(settings.journalDir !== undefined && { dir: settings.journalDir }),
    epoch: `${deps.clock.wallIso().replace(/\D/g, '')}-${Math.floor(deps.rng() * 0x7fffffff).toString(36)}`,
    onAppend: () => {
      records.with().value += 1;
    },
    onFailure: error => {
      failures.with().value += 1;
      const nowMs = deps.clock.nowMs();
      if (nowMs - saidAtMs < 60_000) return;
      saidAtMs = nowMs;
      deps.log.error(
        { error: error.message },
        'the usage journal cannot be written; records are kept in memory only',
      );
    },
  });
}

/** Whatever is answered from memory or by one backend; changes of models stream their bodies, so they never take the lane. */
const LANE_ROUTES: ReadonlySet<string> = new Set(
  ROUTES.filter(({ kind, path }) => kind !== 'change' && kind !== 'blob' && !path.includes(':')).map(
    ({ method, path }) => `${method} ${path}`,
  ),
);

function declaredKeys(settings: GatewaySettings): Set<string> {
  return new Set(settings.declaredModels.map(name => modelKey(name) ?? name));
}

interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

function readTls(settings: GatewaySettings): { tls?: TlsPair } {
  if (settings.tls === undefined) return {};
  const { certFile, keyFile } = settings.tls;
  return { tls: { cert: readPem(certFile, 'certificate'), key: readPem(keyFile, 'key') } };
}

function readPem(file: string, what: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BigoError('cannot_listen', `Cannot read the TLS ${what} ${file}: ${code}.`);
  }
}

function wallClock(clock: Clock): () => string {
  let madeAtMs = -1;
  let text = '';
  return () => {
    const nowMs = Math.floor(clock.nowMs());
    if (nowMs !== madeAtMs) text = clock.wallIso();
    madeAtMs = nowMs;
    return text;
  };
}
