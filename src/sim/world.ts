// A simulated day: the real scheduler (or a peer's policy) in front of models of Ollama, on a fake clock.
// Never uses real time; the same plan and seed give the same day. It checks the laws of the queue while it runs.
import { modelKey } from '../api/names.ts';
import type { Effect, SchedulerEvent } from '../gateway/core/scheduler/messages.ts';
import { viewOf } from './fleet-view.ts';
import type { OllamaEvent } from './ollama-types.ts';
import { openResult, serverOf, ticketOf } from './server.ts';
import type { Server } from './server.ts';
import type { Router, SimFault, SimPlan, SimReport, SimRequest, SimResult } from './types.ts';

interface Call {
  readonly id: string;
  readonly server: Server;
  /** Undefined for the gateway's own load. */
  readonly ticket: string | undefined;
  readonly key: string;
}

const attemptsMax = 3;
const eventsMax = 5_000_000;

export function simulate(plan: SimPlan, router: Router): SimReport {
  return new World(plan, router).run();
}

class World {
  readonly #plan: SimPlan;
  readonly #router: Router;
  readonly #servers = new Map<string, Server>();
  readonly #results = new Map<string, SimResult>();
  readonly #requests: readonly SimRequest[];
  readonly #faults: readonly SimFault[];
  readonly #leaving: SimRequest[];
  readonly #violations: string[] = [];
  /** Calls under way by id, and the one of each ticket. */
  readonly #calls = new Map<string, Call>();
  readonly #callOf = new Map<string, Call>();
  #nowMs = 0;
  #nextRequest = 0;
  #nextFault = 0;
  #nextLeaving = 0;
  #callCount = 0;
  #loads = 0;
  #unloads = 0;
  #events = 0;
  #seq = 0;
  #open = 0;

  constructor(plan: SimPlan, router: Router) {
    this.#plan = plan;
    this.#router = router;
    this.#requests = [...plan.requests].sort((a, b) => a.atMs - b.atMs);
    this.#faults = [...plan.faults].sort((a, b) => a.atMs - b.atMs);
    this.#leaving = this.#requests
      .filter(request => request.leavesAtMs !== undefined)
      .sort((a, b) => (a.leavesAtMs ?? 0) - (b.leavesAtMs ?? 0));
    for (const backend of plan.backends) this.#servers.set(backend.spec.name, serverOf(backend));
  }

  run(): SimReport {
    this.#publish();
    while (this.#events < eventsMax) {
      const atMs = this.#nextMs();
      if (atMs === Infinity) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      this.#step();
    }
    for (const result of this.#results.values()) {
      if (result.outcome === 'open') this.#violations.push(`${result.id} never ended`);
    }
    return {
      results: [...this.#results.values()],
      loads: this.#loads,
      unloads: this.#unloads,
      events: this.#events,
      endMs: this.#nowMs,
      violations: this.#violations,
    };
  }

  #nextMs(): number {
    let atMs = Math.min(
      this.#requests[this.#nextRequest]?.atMs ?? Infinity,
      this.#faults[this.#nextFault]?.atMs ?? Infinity,
    );
    const busy = this.#open > 0 || atMs < Infinity;
    if (!busy) return Infinity;
    atMs = Math.min(atMs, this.#leaving[this.#nextLeaving]?.leavesAtMs ?? Infinity);
    atMs = Math.min(atMs, this.#router.nextWakeMs() ?? Infinity);
    for (const server of this.#servers.values()) {
      atMs = Math.min(atMs, server.up ? server.ollama.nextEventMs() : Infinity, server.nextPollMs);
    }
    return atMs;
  }

  #step(): void {
    const nowMs = this.#nowMs;
    for (const server of this.#servers.values()) {
      if (!server.up || server.ollama.nextEventMs() > nowMs) continue;
      for (const event of server.ollama.advance(nowMs)) this.#onOllama(server, event);
    }
    while ((this.#faults[this.#nextFault]?.atMs ?? Infinity) <= nowMs) {
      const fault = this.#faults[this.#nextFault++];
      if (fault !== undefined) this.#onFault(fault);
    }
    while ((this.#requests[this.#nextRequest]?.atMs ?? Infinity) <= nowMs) {
      const request = this.#requests[this.#nextRequest++];
      if (request !== undefined) this.#arrive(request);
    }
    while ((this.#leaving[this.#nextLeaving]?.leavesAtMs ?? Infinity) <= nowMs) {
      const request = this.#leaving[this.#nextLeaving++];
      if (request !== undefined) this.#leave(request.id);
    }
    for (const server of this.#servers.values()) if (server.nextPollMs <= nowMs) this.#poll(server);
    if ((this.#router.nextWakeMs() ?? Infinity) <= nowMs) this.#tell({ type: 'tick' });
  }

  // --- the gateway's side ---

  #tell(event: SchedulerEvent): void {
    this.#events += 1;
    for (const effect of this.#router.on(event, this.#nowMs)) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'dispatch':
        return this.#dispatch(effect);
      case 'reject':
        return this.#end(effect.id, 'refused', effect.code);
      case 'load':
        return this.#load(effect);
      case 'unload':
        return this.#unload(effect);
      case 'cancel_load':
        return this.#cancelLoad(effect.backend, effect.key);
      default:
        effect satisfies never;
    }
  }

  #dispatch(effect: Extract<Effect, { type: 'dispatch' }>): void {
    const result = this.#results.get(effect.id);
    const server = this.#servers.get(effect.backend);
    if (result === undefined || server === undefined) return this.#broken(`dispatch of unknown ${effect.id}`);
    if (result.outcome !== 'open') this.#broken(`${effect.id} was dispatched after it had ended`);
    if (this.#callOf.has(effect.id)) this.#broken(`${effect.id} was dispatched twice`);
    result.dispatchedMs = this.#nowMs;
    result.backend = effect.backend;
    result.reason = effect.reason;
    result.estimateMs ??= effect.estimateMs;
    result.attempts += 1;
    if (!server.up) return this.#afterFailure(effect.id, result);
    this.#occupy(server, effect.key);
    this.#call({ id: `c${++this.#callCount}`, server, ticket: effect.id, key: effect.key }, result.request);
  }

  #occupy(server: Server, key: string): void {
    const running = (server.running.get(key) ?? 0) + 1;
    server.running.set(key, running);
    const slots = server.backend.spec.slots;
    if (slots !== undefined && key !== '' && running > slots) {
      this.#broken(`${running} on ${key} at ${server.backend.spec.name}, which has ${slots} slots`);
    }
  }

  #call(call: Call, request: SimRequest): void {
    const { server } = call;
    const model = server.byName.get(modelKey(request.model) ?? request.model);
    if (model === undefined) return this.#broken(`${request.id} went to a backend without ${request.model}`);
    const slowness = server.backend.slowness ?? 1;
    this.#calls.set(call.id, call);
    this.#callOf.set(request.id, call);
    const events = server.ollama.request(this.#nowMs, {
      id: call.id,
      model: model.name,
      weights: model.weights,
      options: request.options,
      kind: 'generate',
      promptMs: request.promptMs * slowness,
      promptBytes: request.promptBytes,
      prefix: request.prefix,
      tokensMs: request.tokensMs * slowness,
      loadMs: model.loadMs * slowness,
      sizeBytes: model.sizeBytes,
      ...(model.loadError === undefined ? {} : { loadError: model.loadError }),
    });
    for (const event of events) this.#onOllama(server, event);
  }

  #load(effect: Extract<Effect, { type: 'load' }>): void {
    const server = this.#servers.get(effect.backend);
    if (server === undefined) return;
    if (server.loads.size > 0) this.#broken(`two loads at once on ${effect.backend}`);
    const model = server.byName.get(modelKey(effect.model) ?? effect.model);
    if (!server.up || model === undefined) return this.#loadFailed(server, effect.key, 'backend');
    const id = `l${++this.#callCount}`;
    const slowness = server.backend.slowness ?? 1;
    server.loads.set(id, effect.key);
    this.#calls.set(id, { id, server, ticket: undefined, key: effect.key });
    const events = server.ollama.request(this.#nowMs, {
      id,
      model: model.name,
      weights: model.weights,
      options: effect.options,
      kind: 'load',
      promptMs: 0,
      promptBytes: 0,
      tokensMs: 0,
      loadMs: model.loadMs * slowness,
      sizeBytes: model.sizeBytes,
      ...(model.loadError === undefined ? {} : { loadError: model.loadError }),
    });
    for (const event of events) this.#onOllama(server, event);
  }

  #unload(effect: Extract<Effect, { type: 'unload' }>): void {
    const server = this.#servers.get(effect.backend);
    if (server === undefined) return;
    const model = server.byName.get(modelKey(effect.model) ?? effect.model);
    if (server.up && model !== undefined) {
      for (const event of server.ollama.expire(this.#nowMs, model.weights)) this.#onOllama(server, event);
    }
    this.#tell({ type: 'unloaded', backend: effect.backend, key: effect.key });
  }

  #cancelLoad(name: string, key: string): void {
    const server = this.#servers.get(name);
    if (server === undefined) return;
    for (const [id, loading] of server.loads) {
      if (loading !== key) continue;
      server.loads.delete(id);
      this.#calls.delete(id);
      for (const event of server.ollama.cancel(this.#nowMs, id)) this.#onOllama(server, event);
    }
    this.#loadFailed(server, key, 'cancelled');
  }

  #loadFailed(server: Server, key: string, fault: 'backend' | 'model' | 'cancelled'): void {
    const backend = server.backend.spec.name;
    this.#tell({ type: 'load_failed', backend, key, fault, message: 'the load failed' });
  }

  #arrive(request: SimRequest): void {
    this.#open += 1;
    this.#results.set(request.id, openResult(request));
    this.#tell({ type: 'arrive', ticket: ticketOf(request, []) });
  }

  #leave(id: string): void {
    const result = this.#results.get(id);
    if (result === undefined || result.outcome !== 'open') return;
    const call = this.#callOf.get(id);
    this.#end(id, 'left', 'client_gone');
    if (call !== undefined) {
      this.#hangUp(call);
      for (const event of call.server.ollama.cancel(this.#nowMs, call.id)) this.#onOllama(call.server, event);
    }
    this.#tell({ type: 'cancel', id });
  }

  #hangUp(call: Call): void {
    this.#calls.delete(call.id);
    if (call.ticket !== undefined) this.#callOf.delete(call.ticket);
    const running = call.server.running.get(call.key) ?? 0;
    if (running > 0) call.server.running.set(call.key, running - 1);
  }

  // --- the backends' side ---

  #onOllama(server: Server, event: OllamaEvent): void {
    this.#events += 1;
    if (event.type === 'loadStarted') this.#loads += 1;
    else if (event.type === 'unloaded') this.#unloads += 1;
    if (event.type !== 'firstToken' && event.type !== 'done' && event.type !== 'failed') return;
    const call = this.#calls.get(event.id);
    if (call === undefined) return;
    if (call.ticket === undefined) return this.#onLoadEvent(server, event);
    this.#onTicketEvent(call, call.ticket, event);
  }

  #onLoadEvent(server: Server, event: Extract<OllamaEvent, { id: string }>): void {
    const key = server.loads.get(event.id);
    if (key === undefined || event.type === 'firstToken') return;
    server.loads.delete(event.id);
    this.#calls.delete(event.id);
    if (event.type === 'failed') this.#loadFailed(server, key, 'model');
    else this.#tell({ type: 'loaded', backend: server.backend.spec.name, key });
    this.#poll(server);
  }

  #onTicketEvent(call: Call, ticket: string, event: Extract<OllamaEvent, { id: string }>): void {
    const result = this.#results.get(ticket);
    if (result === undefined) return;
    if (event.type === 'firstToken') {
      result.firstTokenMs = this.#nowMs;
      return this.#tell({ type: 'first_byte', id: ticket });
    }
    this.#hangUp(call);
    if (event.type === 'failed') return this.#afterFailure(ticket, result);
    this.#end(ticket, 'ok', undefined);
    this.#tell({ type: 'done', id: ticket, outcome: 'ok' });
  }

  /** As the gateway does: another attempt while no byte was sent, within bounds. */
  #afterFailure(ticket: string, result: SimResult | undefined): void {
    if (result === undefined) return;
    const again = result.firstTokenMs === undefined && result.attempts < attemptsMax;
    if (!again) this.#end(ticket, 'failed', 'backend_failed');
    this.#tell({ type: 'done', id: ticket, outcome: 'failed' });
    if (!again) return;
    const tried = result.backend === undefined ? [] : [result.backend];
    this.#tell({ type: 'arrive', ticket: ticketOf(result.request, tried) });
  }

  #end(id: string, outcome: SimResult['outcome'], code: SimResult['code']): void {
    const result = this.#results.get(id);
    if (result === undefined) return this.#broken(`${id} ended but never came`);
    if (result.outcome !== 'open') return this.#broken(`${id} ended twice: ${result.outcome}, ${outcome}`);
    result.outcome = outcome;
    result.code = code;
    result.endMs = this.#nowMs;
    this.#open -= 1;
  }

  #onFault(fault: SimFault): void {
    const server = this.#servers.get(fault.backend);
    if (server === undefined) return;
    if (fault.kind === 'crash' && server.up) this.#crash(server);
    else if (fault.kind === 'back') server.up = true;
    else if (fault.kind === 'drain' || fault.kind === 'undrain') server.draining = fault.kind === 'drain';
    this.#poll(server);
  }

  #crash(server: Server): void {
    for (const event of server.ollama.advance(this.#nowMs)) this.#onOllama(server, event);
    const lost = server.ollama.crash();
    server.up = false;
    server.running.clear();
    for (const id of lost) {
      const call = this.#calls.get(id);
      if (call !== undefined) this.#hangUp(call);
      const key = server.loads.get(id);
      server.loads.delete(id);
      if (key !== undefined) this.#loadFailed(server, key, 'backend');
      else if (call?.ticket !== undefined) this.#afterFailure(call.ticket, this.#results.get(call.ticket));
    }
  }

  #poll(server: Server): void {
    server.nextPollMs = this.#nowMs + this.#plan.pollMs;
    const runners = server.up ? server.ollama.runners() : [];
    const seen = { up: server.up, draining: server.draining, polledAtMs: this.#nowMs, runners };
    server.view = viewOf(server.backend, server.models, seen);
    this.#publish();
  }

  #publish(): void {
    this.#seq += 1;
    const backends = [...this.#servers.values()].map(server => server.view);
    this.#tell({ type: 'fleet', snapshot: { seq: this.#seq, atMs: this.#nowMs, backends } });
  }

  #broken(law: string): void {
    if (this.#violations.length < 20) this.#violations.push(`at ${Math.round(this.#nowMs)} ms: ${law}`);
  }
}
