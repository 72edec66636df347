// One change that runs on several stores at once and is followed by any number of clients. Ends with its last client.
// Never starts a store twice, never keeps more than the latest state.
import { BigoError } from '../../api/errors.ts';
import { storeName, type Store, type Targets } from '../../fleet/stores.ts';
import { Progress, type ProgressLine, type Stages } from '../core/models/progress.ts';
import {
  verdictOfProgress,
  type StoreAnswer,
  type StoreResult,
  type Verdict,
} from '../core/models/verdict.ts';
import { away } from './kit.ts';

export interface WorkPlan {
  readonly stages: Stages;
  readonly targets: Targets;
  readonly run: (
    store: Store,
    signal: AbortSignal,
    tell: (line: ProgressLine) => void,
  ) => Promise<StoreResult>;
  /** Before the verdict is told: lists are read anew, who was away is remembered, notes are written. */
  readonly finish: (work: Work, answers: readonly StoreAnswer[]) => Promise<void>;
}

/** Followers are woken at most this often. */
const wakeMs = 50;

export class Work {
  readonly progress: Progress;
  readonly backends: string;
  #verdict: Verdict | undefined;
  readonly #plan: WorkPlan;
  readonly #stop = new AbortController();
  readonly #sleepers = new Set<() => void>();
  #followers = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: WorkPlan) {
    this.#plan = plan;
    this.backends = plan.targets.reachable.map(storeName).join(', ');
    this.progress = new Progress(
      plan.stages,
      plan.targets.reachable.map(store => store.id),
    );
  }

  /** undefined = it still runs. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  get cancelled(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    this.#verdict = await this.#conclude().catch((error: unknown) => {
      const words = error instanceof Error ? error.message : String(error);
      return { error: new BigoError('internal', `The gateway failed in this change: ${words}`), late: [] };
    });
    clearTimeout(this.#timer);
    this.#wake();
  }

  async #conclude(): Promise<Verdict> {
    const { reachable, unreachable } = this.#plan.targets;
    const answers = [
      ...(await Promise.all(reachable.map(store => this.#runOne(store)))),
      ...unreachable.map(away),
    ];
    if (!this.cancelled) await this.#plan.finish(this, answers);
    return verdictOfProgress(answers);
  }

  join(): void {
    this.#followers++;
  }

  leave(): void {
    this.#followers--;
    if (this.#followers === 0 && this.#verdict === undefined) this.cancel();
  }

  cancel(): void {
    this.#stop.abort(new Error('nobody waits for this change any more'));
  }

  /** Resolves at the next change, at the end, or when the signal says so. */
  next(seen: number, signal: AbortSignal): Promise<void> {
    if (this.progress.version > seen || this.#verdict !== undefined || signal.aborted)
      return Promise.resolve();
    return new Promise(resolve => {
      const wake = (): void => {
        this.#sleepers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#sleepers.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  async #runOne(store: Store): Promise<StoreAnswer> {
    const result = await this.#plan.run(store, this.#stop.signal, line => {
      this.progress.push(store.id, line);
      this.#wakeSoon();
    });
    if (result.type === 'done') this.progress.push(store.id, { status: 'success' });
    else this.progress.drop(store.id);
    this.#wakeSoon();
    return { store: store.id, backend: storeName(store), result };
  }

  #wakeSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#wake();
    }, wakeMs);
  }

  #wake(): void {
    for (const wake of [...this.#sleepers]) wake();
  }
}
