// Pulls in the background: each goes on when its caller leaves, two callers of one model follow the same, its last state is stored.
// Never runs two pulls of one model, never retries: a pull that is begun again goes on from where it was.
import { randomUUID } from 'node:crypto';
import { BigoError } from '../api/errors.ts';
import { modelKey } from '../api/names.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import {
  interrupted,
  PULL_BEGIN,
  pullView,
  readPullLine,
  sums,
  type PullProgress,
  type PullState,
  type PullView,
  type StoredPull,
} from './core/pull.ts';
import { usageName } from './core/usage.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Credentials, ManagerStore } from './types.ts';

interface Running {
  readonly key: string;
  readonly stop: AbortController;
  view: PullView;
}

export interface PullWish {
  readonly model: string;
  readonly insecure: boolean;
  readonly link: GatewayLink;
  readonly credentials: Credentials;
}

export interface PullsOptions {
  readonly store: ManagerStore;
  readonly clock: Clock;
  readonly log: Log;
  /** This replica of the manager, the same after a restart. */
  readonly owner: string;
}

const runningMax = 32;
const saveMs = 2_000;

export class Pulls {
  private readonly store: ManagerStore;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly owner: string;
  private readonly timer: NodeJS.Timeout;
  private readonly running = new Map<string, Running>();
  private readonly ended = new Set<Promise<void>>();
  /** Called at every step. */
  onChange: () => void = () => {};

  constructor({ store, clock, log, owner }: PullsOptions) {
    this.store = store;
    this.clock = clock;
    this.log = log;
    this.owner = owner;
    this.timer = setInterval(() => this.saveRunning(), saveMs).unref();
  }

  /** What a manager left behind that was killed. */
  async recover(): Promise<void> {
    for (const pull of await this.store.pulls()) {
      if (pull.status !== 'running' || pull.owner !== this.owner) continue;
      await this.save(interrupted(pull, this.clock.wallIso(), 'The manager was restarted.'));
    }
  }

  begin(wish: PullWish): { view: PullView; already: boolean } {
    const key = keyOf(wish.model);
    const same = this.running.get(key);
    if (same?.view.status === 'running') return { view: same.view, already: true };
    if (this.running.size >= runningMax) {
      throw new BigoError('queue_full', `${runningMax} pulls are running already.`);
    }
    const view: PullView = {
      id: randomUUID(),
      model: wish.model,
      status: 'running',
      progress: 0,
      total: 0,
      completed: 0,
      message: 'asking the gateway',
      error: '',
      startedAt: this.clock.wallIso(),
      endedAt: '',
    };
    const running: Running = { key, stop: new AbortController(), view };
    this.running.set(key, running);
    void this.save(view);
    const end = this.run(running, wish).finally(() => this.ended.delete(end));
    this.ended.add(end);
    return { view, already: false };
  }

  async list(): Promise<PullView[]> {
    const live = [...this.running.values()].map(({ view }) => view);
    const ids = new Set(live.map(({ id }) => id));
    const nowMs = Date.parse(this.clock.wallIso());
    const stored = (await this.store.pulls()).filter(({ id }) => !ids.has(id));
    const views = [...live, ...stored.map(one => pullView(one, nowMs))];
    return views.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  }

  /** The newest that fits. */
  async find(wanted: { readonly id?: string; readonly model?: string }): Promise<PullView | undefined> {
    const key = wanted.model === undefined ? undefined : keyOf(wanted.model);
    return (await this.list()).find(
      view =>
        (wanted.id === undefined || view.id === wanted.id) &&
        (key === undefined || keyOf(view.model) === key),
    );
  }

  /** Of another replica: it reads that when it next says that it goes on. */
  async cancel(view: PullView): Promise<PullView> {
    if (view.status !== 'running') return view;
    const running = this.running.get(keyOf(view.model));
    if (running?.view.id === view.id) {
      this.cancelOwn(running);
      return running.view;
    }
    const cancelled: PullView = { ...view, status: 'cancelled', endedAt: this.clock.wallIso() };
    await this.store.savePull(this.stored(cancelled));
    return cancelled;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    for (const running of this.running.values()) {
      this.end(running, 'interrupted', 'The manager was stopped. Pull again: it goes on from where it was.');
      running.stop.abort(new Error('the manager ends'));
    }
    await Promise.all(this.ended);
  }

  private async run(running: Running, wish: PullWish): Promise<void> {
    let progress = PULL_BEGIN;
    try {
      const answer = await wish.link.lines({
        path: '/api/pull',
        body: JSON.stringify({ model: wish.model, insecure: wish.insecure, stream: true }),
        credentials: wish.credentials,
        signal: running.stop.signal,
      });
      for await (const line of answer.lines) {
        progress = readPullLine(progress, line);
        this.step(running, progress);
      }
      const error = progress.error === '' ? 'The stream ended before the model was there.' : progress.error;
      if (progress.done && progress.error === '') this.end(running, 'success', '');
      else this.end(running, 'failed', error);
    } catch (error) {
      this.end(running, 'failed', (error as Error).message);
    }
    await this.keep(running.view);
    if (this.running.get(running.key) === running) this.running.delete(running.key);
    this.onChange();
  }

  /** Where nothing can be stored now, the pull itself is done all the same. */
  private async keep(view: PullView): Promise<void> {
    await this.save(view);
    if (view.status !== 'success') return;
    await this.store
      .count(usageName(view.model), 'pulls', this.clock.wallIso())
      .catch((error: Error) =>
        this.log.warn({ model: view.model, error: error.message }, 'pull not counted'),
      );
  }

  private saveRunning(): void {
    for (const { view } of this.running.values()) if (view.status === 'running') void this.save(view);
  }

  private async save(view: PullView): Promise<void> {
    try {
      const { status } = await this.store.savePull(this.stored(view));
      const running = this.running.get(keyOf(view.model));
      if (status === 'cancelled' && running?.view.id === view.id) this.cancelOwn(running);
    } catch (error) {
      this.log.warn({ model: view.model, error: (error as Error).message }, 'the pull is not stored');
    }
  }

  private stored(view: PullView): StoredPull {
    return { ...view, owner: this.owner, seenAt: this.clock.wallIso() };
  }

  private cancelOwn(running: Running): void {
    if (running.view.status !== 'running') return;
    this.end(running, 'cancelled', '');
    running.stop.abort(new Error('cancelled'));
  }

  private step(running: Running, progress: PullProgress): void {
    if (running.view.status !== 'running') return;
    const { total, completed, percent } = sums(progress);
    running.view = { ...running.view, total, completed, progress: percent, message: progress.message };
    this.onChange();
  }

  /** The first end counts: what an abort does to the stream afterwards is no news. */
  private end(running: Running, status: PullState, error: string): void {
    if (running.view.status !== 'running') return;
    const progress = status === 'success' ? 100 : running.view.progress;
    running.view = { ...running.view, status, error, progress, endedAt: this.clock.wallIso() };
    this.onChange();
  }
}

function keyOf(model: string): string {
  return modelKey(model) ?? model;
}
