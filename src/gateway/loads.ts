// Loads and unloads models on backends by the gateway's own empty requests, so that a client's request only meets warm runners.
// Never decides what to load; every load effect is answered by exactly one loaded or load_failed, every unload by one unloaded.
import type { ReloadOptions } from '../api/fleet.ts';
import type { SchedulerEvent } from './core/scheduler/messages.ts';
import { HttpFailure } from '../platform/http-failure.ts';
import type { HttpAnswer } from '../platform/http.ts';
import type { GatewayContext } from './context.ts';
import type { Waiting } from './frozen.ts';
import type { CancelLoadEffect, LoadEffect, LoadPerformer, UnloadEffect } from './loop.ts';

const answerBytesMax = 1024 * 1024;
const unloadMsMax = 30_000;
const messageLengthMax = 500;

type LoadFault = Extract<SchedulerEvent, { type: 'load_failed' }>['fault'];
type ModelKind = LoadEffect['kind'];

export class Loads implements LoadPerformer {
  private context: GatewayContext | undefined;
  /** Loads under way, by backend and runner key. */
  private readonly running = new Map<string, AbortController>();

  attach(context: GatewayContext): void {
    this.context = context;
  }

  load(effect: LoadEffect): void {
    void this.runLoad(effect);
  }

  unload(effect: UnloadEffect): void {
    void this.runUnload(effect);
  }

  cancelLoad(effect: CancelLoadEffect): void {
    const running = this.running.get(loadId(effect));
    if (running !== undefined) running.abort(new Error('nobody wants this load any more'));
    else
      this.report({
        type: 'load_failed',
        ...pick(effect),
        message: 'The load was given up.',
        fault: 'cancelled',
      });
  }

  close(): void {
    for (const abort of this.running.values()) abort.abort(new Error('the gateway stops'));
  }

  private async runLoad(effect: LoadEffect): Promise<void> {
    const context = this.need();
    const abort = new AbortController();
    const id = loadId(effect);
    this.running.set(id, abort);
    const startMs = context.clock.nowMs();
    const frozen = new HttpFailure('silent', 'it no longer answers anything');
    const waiting: Waiting = { seat: -1, sentAtMs: startMs, onFrozen: () => abort.abort(frozen) };
    context.frozen.add(effect.backend, waiting);
    const result = await this.callLoad(effect, abort.signal);
    context.frozen.delete(effect.backend, waiting);
    this.running.delete(id);
    const loadMs = context.clock.nowMs() - startMs;
    const outcome = result === undefined ? 'ok' : result.fault;
    context.metrics.loads.with(effect.reason, outcome).value += 1;
    if (result === undefined)
      context.metrics.loadSeconds.with(context.models.label(effect.model)).observe(loadMs / 1000);
    context.log.info(
      {
        backend: effect.backend,
        model: effect.model,
        reason: effect.reason,
        decided: effect.decided,
        outcome,
        loadMs: Math.round(loadMs),
        error: result?.message,
      },
      'load',
    );
    this.report(
      result === undefined
        ? { type: 'loaded', ...pick(effect) }
        : { type: 'load_failed', ...pick(effect), ...result },
    );
    context.fleet.noteLoaded(effect.backend);
    if (result?.fault === 'model') this.doubt(effect);
  }

  private doubt({ backend, model }: LoadEffect): void {
    const target = this.need().upstream.get(backend);
    if (target !== undefined) this.need().onLoadFailed(target.spec, model);
  }

  /** Undefined = loaded. */
  private async callLoad(
    effect: LoadEffect,
    signal: AbortSignal,
  ): Promise<{ message: string; fault: LoadFault } | undefined> {
    try {
      const body = loadBody(effect.kind, { model: effect.model, options: effect.options });
      const answer = await this.ask(effect, { body, signal, timeMsMax: this.need().settings.time.loadMsMax });
      if (answer.status < 300) return undefined;
      const fault = answer.status >= 502 ? 'backend' : 'model';
      return { message: answerMessage(answer), fault };
    } catch (error) {
      const message = error instanceof Error ? error.message : 'unknown';
      return { message: message.slice(0, messageLengthMax), fault: faultOf(error, signal) };
    }
  }

  private async runUnload(effect: UnloadEffect): Promise<void> {
    const context = this.need();
    context.metrics.unloads.with(effect.reason).value += 1;
    const body = loadBody(effect.kind, { model: effect.model, keep_alive: 0 });
    const error = await this.ask(effect, { body, timeMsMax: unloadMsMax }).then(
      answer => (answer.status < 300 ? undefined : answerMessage(answer)),
      (failure: unknown) => String(failure),
    );
    context.log.info(
      { backend: effect.backend, model: effect.model, reason: effect.reason, error },
      'unload',
    );
    this.report({ type: 'unloaded', ...pick(effect) });
    context.fleet.noteUnloaded(effect.backend);
  }

  private async ask(
    at: { readonly backend: string; readonly kind: ModelKind },
    call: { body: string; timeMsMax: number; signal?: AbortSignal },
  ): Promise<HttpAnswer> {
    const context = this.need();
    const target = context.upstream.get(at.backend);
    if (target === undefined) throw new HttpFailure('refused', `There is no backend ${at.backend} any more.`);
    return context.http.ask(target.spec, {
      method: 'POST',
      path: at.kind === 'embed' ? '/api/embed' : '/api/generate',
      headers: { 'x-bigo-hop': context.instanceId },
      bytesMax: answerBytesMax,
      ...call,
    });
  }

  private report(event: SchedulerEvent): void {
    this.need().loop.feed(event);
  }

  private need(): GatewayContext {
    if (this.context === undefined) throw new Error('loads were used before attach');
    return this.context;
  }
}

interface LoadFields {
  readonly model: string;
  readonly options?: ReloadOptions;
  readonly keep_alive?: 0;
}

/** An empty request loads, and with keep_alive 0 unloads (ollama server/routes.go, GenerateHandler and EmbedHandler). */
function loadBody(kind: ModelKind, fields: LoadFields): string {
  return JSON.stringify(kind === 'embed' ? { ...fields, input: '' } : { ...fields, stream: false });
}

export function answerMessage(answer: HttpAnswer): string {
  const text = answer.body.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'error' in value && typeof value.error === 'string') {
      return value.error.slice(0, messageLengthMax);
    }
  } catch {
    // Not JSON: the text itself is the message.
  }
  return `status ${answer.status}: ${text.slice(0, messageLengthMax)}`;
}

function loadId(at: { readonly backend: string; readonly key: string }): string {
  return `${at.backend}\u0000${at.key}`;
}

function pick(at: { readonly backend: string; readonly key: string }): { backend: string; key: string } {
  return { backend: at.backend, key: at.key };
}

/** A load that takes too long says something about the model; the backend goes on serving what it has loaded. */
function faultOf(error: unknown, signal: AbortSignal): LoadFault {
  const kind = error instanceof HttpFailure ? error.kind : 'other';
  if (signal.aborted || kind === 'aborted') return 'cancelled';
  return kind === 'silent' ? 'model' : 'backend';
}
