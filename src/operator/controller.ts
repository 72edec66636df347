// Workers that take keys from the queue and reconcile them, each key by one worker at a time.
// Never lets an error out of a worker, and never knows what reconciling means.
import { BigoError } from '../api/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { KubeError } from '../platform/kube/kube-error.ts';
import { KeyQueue, SERVER_AWAY_MS_MAX, type Why } from './core/queue.ts';

export type ReconcileResult = 'success' | 'requeue_after' | 'requeue' | 'error';

/** Trying again cannot help until the resource changes. Its condition says why. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

export interface ControllerOptions {
  /** Resolves with the milliseconds after which to look again, if any. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Log;
  readonly workers: number;
  readonly deadlineMsMax: number;
  readonly onResult?: (key: string, result: ReconcileResult, tookMs: number) => void;
  readonly onTerminal?: (key: string) => void;
  /** An error that nobody expected: neither the server's nor a missed deadline. */
  readonly onPanic?: () => void;
  readonly onTaken?: (waitedMs: number) => void;
  readonly onAdd?: () => void;
  readonly onRetry?: () => void;
}

export class Controller {
  private readonly queue = new KeyQueue();
  private readonly options: ControllerOptions;
  private readonly running = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private isStarted = false;
  private readonly stopping = new AbortController();

  constructor(options: ControllerOptions) {
    this.options = options;
  }

  get depth(): number {
    return this.queue.depth;
  }

  get active(): number {
    return this.queue.active;
  }

  add(key: string, why: Why = 'news'): void {
    this.options.onAdd?.();
    this.queue.add(key, this.now(), why);
    this.pump();
  }

  addAfter(key: string, delayMs: number): void {
    this.queue.addAt(key, this.now() + delayMs);
    this.pump();
  }

  /** Before this, keys only gather. */
  start(): void {
    this.isStarted = true;
    this.pump();
  }

  /** Lets running passes end at their next step. */
  async stop(): Promise<void> {
    this.isStarted = false;
    clearTimeout(this.timer);
    this.stopping.abort(new Error('the operator is stopping'));
    await Promise.all(this.running);
  }

  private now(): number {
    return this.options.clock.nowMs();
  }

  private pump(): void {
    if (!this.isStarted) return;
    while (this.running.size < this.options.workers) {
      const taken = this.queue.take(this.now());
      if (taken === undefined) break;
      this.options.onTaken?.(taken.waitedMs);
      const pass = this.work(taken.key);
      this.running.add(pass);
      void pass.finally(() => {
        this.running.delete(pass);
        this.pump();
      });
    }
    this.wakeAtNext();
  }

  private wakeAtNext(): void {
    clearTimeout(this.timer);
    const dueAtMs = this.queue.nextDueAtMs();
    if (dueAtMs === undefined || this.running.size >= this.options.workers) return;
    this.timer = setTimeout(() => this.pump(), Math.min(Math.max(dueAtMs - this.now(), 0), 2 ** 30)).unref();
  }

  private async work(key: string): Promise<void> {
    const startMs = this.now();
    const { reconcile, deadlineMsMax, onResult } = this.options;
    const signal = AbortSignal.any([this.stopping.signal, AbortSignal.timeout(deadlineMsMax)]);
    let result: ReconcileResult;
    try {
      const againMs = await reconcile(key, signal);
      this.queue.forget(key);
      if (againMs !== undefined) this.queue.addAt(key, this.now() + againMs);
      result = againMs === undefined ? 'success' : 'requeue_after';
    } catch (error) {
      result = this.failed(key, error);
    }
    this.queue.done(key, this.now());
    onResult?.(key, result, this.now() - startMs);
  }

  private failed(key: string, error: unknown): ReconcileResult {
    const { log, onTerminal, onPanic, onRetry } = this.options;
    if (this.stopping.signal.aborted) return 'requeue';
    if (error instanceof TerminalError) {
      this.queue.forget(key);
      onTerminal?.(key);
      log.warn({ key, error: error.message }, 'the resource cannot be reconciled until it changes');
      return 'error';
    }
    onRetry?.();
    const askedMs = error instanceof KubeError ? error.retryAfterMs : undefined;
    const ownMsMax = isOfServer(error) ? SERVER_AWAY_MS_MAX : undefined;
    const retryMs = this.queue.retry(key, this.now(), askedMs, ownMsMax);
    // Somebody was faster: that is how it should be told apart, not a fault.
    if (error instanceof KubeError && error.code === 409) {
      log.debug({ key }, 'a write met a newer version');
      return 'requeue';
    }
    const text = error instanceof Error ? error.message : String(error);
    if (isExpected(error)) {
      log.error({ key, error: text, retryMs: Math.round(retryMs) }, 'a pass failed');
    } else {
      onPanic?.();
      const stack = error instanceof Error ? error.stack : undefined;
      log.error(
        { key, error: text, stack, retryMs: Math.round(retryMs) },
        'a pass failed by a fault of the operator',
      );
    }
    return 'error';
  }
}

/** Away, overloaded, broken, or changed by somebody faster: nothing that the resource could mend. */
function isOfServer(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    (error.code === 0 || error.code === 409 || error.code === 429 || error.code >= 500)
  );
}

/** What the server or the lease said, and a pass that took too long. */
function isExpected(error: unknown): boolean {
  if (error instanceof KubeError || error instanceof BigoError) return true;
  return error instanceof DOMException && (error.name === 'TimeoutError' || error.name === 'AbortError');
}
