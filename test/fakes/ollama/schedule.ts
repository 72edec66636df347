// The Ollama model of the simulator on a real clock: one timer for its next event, callbacks for each request.
// Never decides anything; src/sim/ollama-model.ts does.
import { performance } from 'node:perf_hooks';
import { createOllamaModel } from '../../../src/sim/ollama-model.ts';
import type { OllamaModel } from '../../../src/sim/ollama-model.ts';
import type {
  OllamaEvent,
  OllamaModelParams,
  OllamaRequest,
  RunnerView,
} from '../../../src/sim/ollama-types.ts';

export interface Progress {
  scheduled(): void;
  firstToken(promptMs: number): void;
  done(): void;
  failed(status: number, message: string): void;
}

export interface Counts {
  loads: number;
  unloads: number;
  refused: number;
  done: number;
  cancelled: number;
}

const timeoutMsMax = 0x7fffffff;

export class Schedule {
  readonly #model: OllamaModel;
  readonly #progress = new Map<string, Progress>();
  readonly #startMs = performance.now();
  readonly counts: Counts = { loads: 0, unloads: 0, refused: 0, done: 0, cancelled: 0 };
  #timer: NodeJS.Timeout | undefined;
  #loadWaits: { weights: string; resume: () => void }[] = [];

  constructor(params: Partial<OllamaModelParams>) {
    this.#model = createOllamaModel(params);
  }

  nowMs(): number {
    return performance.now() - this.#startMs;
  }

  /** Wall time of a model time. */
  dateOf(ms: number): Date {
    const farMs = 8_000_000_000_000;
    return new Date(Math.min(farMs, Date.now() + (ms - this.nowMs())));
  }

  submit(spec: OllamaRequest, progress: Progress): void {
    this.#progress.set(spec.id, progress);
    this.#play(this.#model.request(this.nowMs(), spec));
  }

  cancel(id: string): void {
    if (!this.#progress.delete(id)) return;
    this.counts.cancelled++;
    this.#play(this.#model.cancel(this.nowMs(), id));
  }

  /** Resolves when Ollama would answer: at once, or when a running load of these weights ends. */
  async expire(weights: string): Promise<void> {
    this.#play(this.#model.expire(this.nowMs(), weights));
    if (!this.runners().some(runner => runner.weights === weights && runner.loading)) return;
    await new Promise<void>(resume => this.#loadWaits.push({ weights, resume }));
  }

  runners(): RunnerView[] {
    this.#play(this.#model.advance(this.nowMs()));
    return this.#model.runners();
  }

  inFlight(): number {
    return this.#progress.size;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#progress.clear();
    this.#model.crash();
  }

  #play(events: readonly OllamaEvent[]): void {
    for (const event of events) this.#tell(event);
    clearTimeout(this.#timer);
    const nextMs = this.#model.nextEventMs();
    if (nextMs === Infinity) return;
    const delayMs = Math.min(timeoutMsMax, Math.max(0, Math.ceil(nextMs - this.nowMs())));
    this.#timer = setTimeout(() => this.#play(this.#model.advance(this.nowMs())), delayMs);
  }

  #tell(event: OllamaEvent): void {
    switch (event.type) {
      case 'loadStarted':
        this.counts.loads++;
        return;
      case 'loaded':
        this.#resume(event.weights);
        return;
      case 'unloaded':
        this.counts.unloads++;
        this.#resume(event.weights);
        return;
      case 'scheduled':
        this.#progress.get(event.id)?.scheduled();
        return;
      case 'firstToken':
        this.#progress.get(event.id)?.firstToken(event.promptMs);
        return;
      case 'done':
        this.counts.done++;
        this.#take(event.id)?.done();
        return;
      case 'failed':
        this.counts.refused++;
        this.#take(event.id)?.failed(event.status, event.message);
        return;
      default:
        event satisfies never;
    }
  }

  #take(id: string): Progress | undefined {
    const progress = this.#progress.get(id);
    this.#progress.delete(id);
    return progress;
  }

  #resume(weights: string): void {
    const ready = this.#loadWaits.filter(wait => wait.weights === weights);
    this.#loadWaits = this.#loadWaits.filter(wait => wait.weights !== weights);
    for (const wait of ready) wait.resume();
  }
}
