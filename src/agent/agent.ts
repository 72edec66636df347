// One running agent: looks, asks the core what comes next, has it done, remembers. Never decides: core/plan.ts does.
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_METRICS } from '../api/agent-metrics.ts';
import type { AgentSettings } from '../api/agent-settings.ts';
import { modelKey } from '../api/names.ts';
import { createMetrics } from '../platform/metrics.ts';
import { Checker } from './checker.ts';
import { AgentContext } from './context.ts';
import { assignmentOf, ordinalOf } from './core/assign.ts';
import { memoryOf, readMemory } from './core/memory.ts';
import { madeMark, nextStep } from './core/plan.ts';
import { afterLook, discarded, failed } from './core/records.ts';
import type { Observed, Step } from './core/types.ts';
import { Drainer, procConnections } from './drainer.ts';
import { Gateways } from './gateways.ts';
import { startCreate, startPull, type Job } from './jobs.ts';
import { WatchedModelsFile } from './models-file.ts';
import { LocalOllama } from './ollama.ts';
import { notReady, setGauges, statusOf } from './report.ts';
import { AgentServer } from './server.ts';
import { StoreFiles } from './store-files.ts';
import { DEFAULT_TIMING, type AgentDeps } from './types.ts';

export interface Agent {
  readonly url: string;
  /** Waits for a drain that runs. */
  close(): Promise<void>;
}

const stuckMsMax = 120_000;
const discardAgainMs = 30_000;
const defaultDrainSeconds = 300;
const defaultVerify = { bytesPerSecond: 20_000_000, intervalHours: 168 };
const hourMs = 3_600_000;

export async function startAgent(settings: AgentSettings, deps: AgentDeps): Promise<Agent> {
  const agent = new RunningAgent(settings, deps);
  await agent.start();
  return agent;
}

class RunningAgent implements Agent {
  url = '';
  readonly #context: AgentContext;
  readonly #file: WatchedModelsFile;
  readonly #checker: Checker;
  readonly #gateways: Gateways;
  readonly #drainer: Drainer;
  readonly #server: AgentServer;
  readonly #stop = new AbortController();
  #tickAtMs: number;
  #scanAtMs = -Infinity;
  #discardAtMs = -Infinity;
  #job: Job | undefined;
  #memory = '';
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(settings: AgentSettings, deps: AgentDeps) {
    const { families, exporter } = createMetrics(AGENT_METRICS);
    const context = new AgentContext({
      settings,
      deps,
      families,
      timing: { ...DEFAULT_TIMING, ...deps.timing },
      ollama: new LocalOllama(settings.ollamaUrl),
      store: new StoreFiles(settings.store),
    });
    this.#context = context;
    this.#tickAtMs = context.nowMs();
    this.#file = new WatchedModelsFile(settings.modelsFile);
    this.#checker = this.#makeChecker();
    const { gatewayTokenFile: tokenFile, podName } = settings;
    this.#gateways = new Gateways(podName, { tokenFile, version: deps.version });
    this.#drainer = this.#makeDrainer();
    const parts = { context, checker: this.#checker, drainer: this.#drainer, file: this.#file };
    setGauges(parts);
    this.#server = new AgentServer({
      isAlive: () => context.nowMs() - this.#tickAtMs < stuckMsMax,
      notReady: () => notReady(parts),
      status: () => statusOf(parts),
      drain: () => this.#drainer.drain(),
      doubt: model => this.#doubt(model),
      exporter,
    });
  }

  async start(): Promise<void> {
    const { store, settings } = this.#context;
    this.#context.state = { ...this.#context.state, ...readMemory(await store.readMemory()) };
    this.#memory = JSON.stringify(memoryOf(this.#context.state));
    this.url = await this.#server.listen(settings.listen);
    if (settings.role === 'writer') this.#checker.start();
    this.#running = this.#loop();
  }

  async close(): Promise<void> {
    await this.#drainer.stop();
    this.#stop.abort(new Error('the agent ends'));
    this.#job?.giveUp();
    this.#wake();
    await Promise.allSettled([this.#running, this.#job?.done, this.#checker.stop()]);
    await this.#server.close();
    await Promise.all([this.#context.ollama.close(), this.#gateways.close()]);
  }

  #makeChecker(): Checker {
    const context = this.#context;
    return new Checker({
      store: context.store,
      nowMs: () => context.nowMs(),
      limits: () => {
        const { bytesPerSecond, intervalHours } = this.#file.state.file?.verify ?? defaultVerify;
        return { bytesPerSecond, intervalMs: intervalHours === 0 ? Infinity : intervalHours * hourMs };
      },
      onBytes: bytes => {
        context.families.bigo_agent_hashed_bytes_total.with().value += bytes;
      },
      onWrong: (digest, found) => this.#onWrong(digest, found),
    });
  }

  #makeDrainer(): Drainer {
    const { settings, deps, timing, families } = this.#context;
    const { clock, log, connections = procConnections } = deps;
    return new Drainer({
      clock,
      log,
      connections,
      timing,
      gateways: this.#gateways,
      ollamaPort: Number(new URL(settings.ollamaUrl).port),
      file: () => this.#file.state.file,
      drainSeconds: () => settings.drainSeconds ?? this.#file.state.file?.drainSeconds ?? defaultDrainSeconds,
      onEnd: end => {
        families.bigo_agent_drains_total.with(end).value += 1;
      },
    });
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const woken = new Promise<void>(resolve => {
        this.#wake = resolve;
      });
      await this.#tick().catch((error: unknown) => this.#context.note(String(error)));
      this.#tickAtMs = this.#context.nowMs();
      await Promise.race([woken, sleep(this.#context.timing.lookMs, undefined, { ref: false })]);
    }
  }

  async #tick(): Promise<void> {
    const context = this.#context;
    if (await this.#file.look()) this.#onFile();
    await this.#look();
    if (context.assignment === undefined) return;
    if (context.settings.role === 'reader') return this.#follow();
    await this.#scanIfDue();
    const observed = await this.#observe();
    context.state = afterLook(context.state, context.assignment, observed);
    await this.#act(nextStep(context.assignment, context.state, observed), observed);
    await this.#remember();
  }

  /** A reader sees what the writer brings, and takes derived models as they come. */
  #follow(): void {
    const { assignment, state, models } = this.#context;
    if (assignment === undefined) return;
    const observed: Observed = { nowMs: this.#context.nowMs(), models, corrupt: new Map() };
    const made = assignment.wanted.filter(model => model.kind === 'create');
    const marks = made.map((model): [string, string] => [model.key, madeMark(model, observed)]);
    this.#context.state = afterLook({ ...state, made: new Map(marks) }, assignment, observed);
  }

  #onFile(): void {
    const { file, error } = this.#file.state;
    const { families, settings, deps } = this.#context;
    if (error !== undefined) {
      families.bigo_agent_file_errors_total.with().value += 1;
      deps.log.error({ error }, 'the file of models is not used');
      this.#context.note(`The file of models is not used: ${error}`);
    } else if (file !== undefined) {
      const ordinal = ordinalOf(settings.podName);
      const assignment = assignmentOf(file, ordinal);
      this.#context.assignment = assignment;
      deps.log.info({ models: assignment.wanted.map(model => model.name), ordinal }, 'models of this pod');
    }
  }

  async #look(): Promise<void> {
    const context = this.#context;
    const wasUp = context.models !== undefined;
    context.models = await context.ollama.models();
    if (context.models === undefined) return;
    context.heardAtMs = context.nowMs();
    if (!wasUp || context.ollamaVersion === undefined) context.ollamaVersion = await context.ollama.version();
  }

  async #scanIfDue(): Promise<void> {
    const context = this.#context;
    if (context.nowMs() - this.#scanAtMs < context.timing.scanMs) return;
    this.#scanAtMs = context.nowMs();
    await this.#checker.scan();
    context.disk = await context.askDisk().catch(() => undefined);
  }

  async #observe(): Promise<Observed> {
    const { store, models } = this.#context;
    const nowMs = this.#context.nowMs();
    const wrong = this.#checker.wrong();
    const isTried = nowMs - this.#discardAtMs < discardAgainMs;
    const corrupt = wrong.length === 0 || isTried ? new Map() : await store.holdersOf(new Set(wrong));
    return { nowMs, models, corrupt };
  }

  async #act(step: Step, observed: Observed): Promise<void> {
    if (this.#job !== undefined && !this.#isWanted(this.#job.key)) this.#job.giveUp();
    switch (step.type) {
      case 'wait':
        return;
      case 'discard':
        return this.#discard(step);
      case 'delete':
        return this.#delete(step.name);
      case 'pull':
        if (this.#job === undefined) this.#begin(startPull(this.#context, step));
        return;
      case 'create':
        if (this.#job === undefined)
          this.#begin(startCreate(this.#context, step.model, madeMark(step.model, observed)));
        return;
      default:
        step satisfies never;
    }
  }

  #isWanted(key: string): boolean {
    const { state, assignment } = this.#context;
    return state.restore.has(key) || (assignment?.wanted.some(model => model.key === key) ?? false);
  }

  #begin(job: Job): void {
    this.#job = job;
    void job.done.then(() => {
      this.#job = undefined;
      this.#scanAtMs = -Infinity;
      this.#wake();
    });
  }

  async #delete(name: string): Promise<void> {
    const context = this.#context;
    const error = await context.ollama.delete(name);
    if (error === undefined) {
      context.families.bigo_agent_deletes_total.with().value += 1;
      context.deps.log.info({ model: name }, 'deleted: nobody declares it');
      return;
    }
    const failure = { reason: 'CannotDelete' as const, message: error };
    context.state = failed(context.state, { name, key: modelKey(name) ?? name }, failure, context.at());
    context.note(`${name}: ${error}`);
  }

  #onWrong(digest: string, found: string): void {
    const { families, deps } = this.#context;
    families.bigo_agent_wrong_blobs_total.with().value += 1;
    deps.log.error({ blob: digest, found }, 'a blob has wrong bytes: its models are not used here any more');
    this.#context.note(`The blob sha256:${digest} has wrong bytes.`);
    this.#discardAtMs = -Infinity;
    this.#wake();
  }

  /** Deleted in Ollama, so that its lists, and by them the gateways, know at once. */
  async #discard({ digest, names }: Extract<Step, { type: 'discard' }>): Promise<void> {
    const context = this.#context;
    this.#discardAtMs = context.nowMs();
    this.#job?.giveUp();
    await this.#job?.done;
    const models = names.map(name => ({ name, key: modelKey(name) ?? name }));
    const at = context.deps.clock.wallIso();
    const message = `At ${at} the blob sha256:${digest} had wrong bytes: the model was deleted here and fetched again.`;
    context.state = discarded(context.state, models, message);
    await this.#remember();
    const errors: string[] = [];
    for (const { name } of models) {
      await context.ollama.unload(name);
      const error = await context.ollama.delete(name);
      if (error !== undefined) errors.push(`${name} cannot be deleted: ${error}`);
    }
    await this.#removeWrong(digest).catch((error: unknown) => errors.push(String(error)));
    context.families.bigo_agent_repairs_total.with(errors.length === 0 ? 'ok' : 'failed').value += 1;
    if (errors.length === 0) context.repaired += 1;
    for (const error of errors) context.note(error);
    context.deps.log.warn({ blob: digest, models: names, errors }, 'the wrong blob was taken away');
    this.#wake();
  }

  /** Ollama keeps a blob that another manifest names, and never looks into one that is there. */
  async #removeWrong(digest: string): Promise<void> {
    const { store } = this.#context;
    const holders = (await store.holdersOf(new Set([digest]))).get(digest) ?? [];
    if (holders.length === 0) await store.removeBlob(digest);
    await this.#checker.scan();
    if (!this.#checker.wrong().includes(digest)) this.#discardAtMs = -Infinity;
  }

  async #remember(): Promise<void> {
    const memory = memoryOf(this.#context.state);
    const text = JSON.stringify(memory);
    if (text === this.#memory) return;
    this.#memory = text;
    await this.#context.store
      .writeMemory(memory)
      .catch((error: unknown) => this.#context.note(String(error)));
  }

  async #doubt(model: string): Promise<boolean> {
    return this.#context.settings.role === 'reader' || this.#checker.doubt(model);
  }
}
