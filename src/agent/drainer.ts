// The wait before the pod's Ollama is stopped: gateways stop sending, what runs here ends, or the time is up.
// Never cuts a request, and never leaves a pod that goes on living without work.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelsFile } from '../api/cluster-files.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { drainView, isQuiet, verdict, type DrainEnd, type DrainView } from './core/drain.ts';
import { remotesOf } from './core/proc-net.ts';
import type { Gateways } from './gateways.ts';
import type { AgentTiming } from './types.ts';

export interface DrainerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: AgentTiming;
  readonly gateways: Gateways;
  readonly ollamaPort: number;
  readonly file: () => ModelsFile | undefined;
  readonly drainSeconds: () => number;
  readonly connections: () => Promise<readonly string[]>;
  readonly onEnd: (end: DrainEnd) => void;
}

export interface DrainResult extends DrainView {
  readonly state: DrainEnd;
  readonly waitedMs: number;
}

export class Drainer {
  readonly #deps: DrainerDeps;
  #running: Promise<DrainResult> | undefined;
  #undo: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(deps: DrainerDeps) {
    this.#deps = deps;
  }

  get draining(): boolean {
    return this.#running !== undefined;
  }

  /** A second call joins the first. */
  drain(): Promise<DrainResult> {
    this.#running ??= this.#drain();
    return this.#running;
  }

  /** Resolves when a drain that runs has ended. */
  async stop(): Promise<void> {
    clearTimeout(this.#undo);
    this.#isStopped = true;
    await this.#running;
    clearTimeout(this.#undo);
  }

  async #drain(): Promise<DrainResult> {
    const { clock, log, timing, onEnd } = this.#deps;
    const startMs = clock.nowMs();
    const deadlineMs = startMs + this.#deps.drainSeconds() * 1000;
    log.info({ seconds: this.#deps.drainSeconds() }, 'draining: the pod ends when its requests have');
    let quietLooks = 0;
    for (;;) {
      const view = await this.#look();
      quietLooks = isQuiet(view) ? quietLooks + 1 : 0;
      const nowMs = clock.nowMs();
      const state = verdict(quietLooks, { nowMs, deadlineMs });
      if (state !== undefined) {
        const result = { state, waitedMs: Math.round(nowMs - startMs), ...view };
        if (state === 'drained') log.info(result, 'drained');
        else log.warn(result, 'the time for the drain is over: what still runs will be cut');
        onEnd(state);
        this.#undo = setTimeout(() => void this.#serveAgain(), timing.undoDrainMs).unref();
        return result;
      }
      await sleep(Math.min(timing.drainLookMs, Math.max(1, deadlineMs - nowMs)));
    }
  }

  async #look(): Promise<DrainView> {
    const { gateways, file, ollamaPort, connections } = this.#deps;
    const at = file()?.gateways;
    const [looks, texts] = await Promise.all([
      at === undefined ? [] : gateways.stopSending(at),
      connections(),
    ]);
    const remotes = texts.flatMap(text => remotesOf(text, ollamaPort));
    return drainView({ gateways: looks, remotes });
  }

  /** The hook also runs when a kubelet restarts only the container of Ollama: then the same pod serves again. */
  async #serveAgain(): Promise<void> {
    if (this.#isStopped) return;
    const at = this.#deps.file()?.gateways;
    this.#running = undefined;
    this.#deps.log.info('the pod goes on: it serves again');
    if (at !== undefined) await this.#deps.gateways.sendAgain(at);
  }
}

/** Linux tells who is connected; elsewhere only the gateways do. */
export async function procConnections(): Promise<readonly string[]> {
  const files = ['/proc/net/tcp', '/proc/net/tcp6'];
  return Promise.all(files.map(file => readFile(file, 'utf8').catch(() => '')));
}
