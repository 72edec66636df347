// A simulated day: the real scheduler (or a peer's policy) in front of models of Ollama, on a fake clock.
// Never uses real time; the same plan and seed give the same day. It checks the laws of the queue while it runs.
import { modelKey } from '../api/names.ts';
import type { Effect, SchedulerEvent, TicketSpec } from '../gateway/core/scheduler/messages.ts';
import { Calls, silenceMsMax } from './calls.ts';
import type { Call } from './calls.ts';
import { viewOf } from './fleet-view.ts';
import type { OllamaEvent, OllamaRequest } from './ollama-types.ts';
import { GatewayTimer } from './gateway-timer.ts';
import { Ledger } from './ledger.ts';
import { changeManners, ollamaRequest, sampleOf, serverOf, shownBy, ticketOf } from './server.ts';
import type { Server } from './server.ts';
import type { Router, SimFault, SimPlan, SimReport, SimRequest, SimResult } from './types.ts';

const attemptsMax = 3;
const eventsMax = 5_000_000;
export function simulate(plan: SimPlan, router: Router): SimReport {
  return new World(plan, router).run();
}

class World {
  readonly #plan: SimPlan;
  readonly #router: Router;
  readonly #servers = new Map<string, Server>();
  readonly #ledger = new Ledger();
  readonly #timer = new GatewayTimer();
  readonly #requests: readonly SimRequest[];
  readonly #faults: SimFault[];
  readonly #leaving: SimRequest[];
  readonly #calls = new Calls();
  readonly #tickets = new Map<string, TicketSpec>();
  #nowMs = 0;
  #nextRequest = 0;
  #nextFault = 0;
  #nextLeaving = 0;
  readonly #loadsAtMs: number[] = [];
  readonly #loadCallsAtMs: number[] = [];
  #unloads = 0;
  #events = 0;
  #seq = 0;

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
    return {
      ...this.#ledger.report(),
      loads: this.#loadsAtMs.length,
      unloads: this.#unloads,
      loadsAtMs: this.#loadsAtMs,
      loadCallsAtMs: this.#loadCallsAtMs,
      events: this.#events,
      endMs: this.#nowMs,
    };
  }

  #nextMs(): number {
    let atMs = Math.min(
      this.#requests[this.#nextRequest]?.atMs ?? Infinity,
      this.#faults[this.#nextFault]?.atMs ?? Infinity,
    );
    const busy = this.#ledger.open > 0 || atMs < Infinity;
    if (!busy) return Infinity;
    atMs = Math.min(atMs, this.#leaving[this.#nextLeaving]?.leavesAtMs ?? Infinity);
    atMs = Math.min(atMs, this.#timer.firesMs, this.#calls.nextSilenceMs());
    for (const server of this.#servers.values()) {
      atMs = Math.min(atMs, answers(server) ? server.ollama.nextEventMs() : Infinity, server.nextPollMs);
    }
    return atMs;
  }

  #step(): void {
    const nowMs = this.#nowMs;
    for (const server of this.#servers.values()) {
      if (!answers(server) || server.ollama.nextEventMs() > nowMs) continue;
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
    for (;;) {
      const silent = this.#calls.takeSilent(nowMs);
      if (silent === undefined) break;
      this.#giveUp(silent);
    }
    for (const server of this.#servers.values()) if (server.nextPollMs <= nowMs) this.#poll(server);
    if (this.#timer.take(nowMs)) this.#tell({ type: 'tick' });
  }

  // --- the gateway's side ---

  #tell(event: SchedulerEvent): void {
    this.#events += 1;
    const atMs = this.#nowMs + this.#timer.skewMs;
    for (const effect of this.#router.on(event, atMs)) this.#perform(effect);
    this.#timer.arm(this.#nowMs, this.#router.nextWakeMs());
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
    const result = this.#ledger.get(effect.id);
    const server = this.#servers.get(effect.backend);
    if (result === undefined || server === undefined) return this.#broken(`dispatch of unknown ${effect.id}`);
    if (result.outcome !== 'open') this.#broken(`${effect.id} was dispatched after it had ended`);
    if (this.#calls.of(effect.id) !== undefined) this.#broken(`${effect.id} was dispatched twice`);
    result.dispatchedMs = this.#nowMs;
    result.backend = effect.backend;
    result.reason = effect.reason;
    result.estimateMs ??= effect.estimateMs;
    result.attempts += 1;
    if (!server.up) return this.#afterFailure(effect.id, result);
    this.#occupy(server, effect.key);
    this.#call(server, effect.key, result.request);
  }

  #occupy(server: Server, key: string): void {
    const running = (server.running.get(key) ?? 0) + 1;
    server.running.set(key, running);
    const slots = server.backend.spec.slots;
    if (slots !== undefined && key !== '' && running > slots) {
      this.#broken(`${running} on ${key} at ${server.backend.spec.name}, which has ${slots} slots`);
    }
  }

  #call(server: Server, key: string, request: SimRequest): void {
    const model = server.byName.get(modelKey(request.model) ?? request.model);
    if (model === undefined) return this.#broken(`${request.id} went to a backend without ${request.model}`);
    const call = this.#calls.begin(server, key, request.id);
    const { options } = request;
    this.#submit(call, () => ollamaRequest(server, { id: call.id, model, options, request }));
  }

  /** A frozen backend hears it when it thaws, if anybody still wants it. */
  #submit(call: Call, requestOf: () => OllamaRequest): void {
    const { server } = call;
    const send = (): void => {
      if (this.#calls.get(call.id) === undefined) return;
      for (const event of server.ollama.request(this.#nowMs, requestOf())) this.#onOllama(server, event);
    };
    if (server.frozenAtMs === undefined) return send();
    server.held.push(send);
    this.#calls.watch(this.#nowMs, call);
  }

  #load(effect: Extract<Effect, { type: 'load' }>): void {
    const server = this.#servers.get(effect.backend);
    if (server === undefined) return;
    if (server.loads.size > 0) this.#broken(`two loads at once on ${effect.backend}`);
    const model = server.byName.get(modelKey(effect.model) ?? effect.model);
    if (!server.up || model === undefined) return this.#loadFailed(server, effect.key, 'backend');
    const call = this.#calls.begin(server, effect.key, undefined);
    this.#loadCallsAtMs.push(this.#nowMs);
    const { options } = effect;
    this.#submit(call, () => ollamaRequest(server, { id: call.id, model, options }));
  }

  #unload(effect: Extract<Effect, { type: 'unload' }>): void {
    const server = this.#servers.get(effect.backend);
    if (server === undefined) return;
    const model = server.byName.get(modelKey(effect.model) ?? effect.model);
    if (answers(server) && model !== undefined) {
      for (const event of server.ollama.expire(this.#nowMs, model.weights)) this.#onOllama(server, event);
    }
    this.#tell({ type: 'unloaded', backend: effect.backend, key: effect.key });
  }

  #cancelLoad(name: string, key: string): void {
    const server = this.#servers.get(name);
    if (server === undefined) return;
    for (const [id, loading] of server.loads) {
      const call = this.#calls.get(id);
      if (loading !== key || call === undefined) continue;
      this.#calls.end(call);
      this.#cancel(server, id);
    }
    this.#loadFailed(server, key, 'cancelled');
  }

  #loadFailed(server: Server, key: string, fault: 'backend' | 'model' | 'cancelled'): void {
    const backend = server.backend.spec.name;
    this.#tell({ type: 'load_failed', backend, key, fault, message: 'the load failed' });
  }

  #arrive(request: SimRequest): void {
    this.#ledger.begin(request);
    const ticket = ticketOf(request, this.#timer.skewMs);
    this.#tickets.set(request.id, ticket);
    this.#tell({ type: 'arrive', ticket });
  }

  #leave(id: string): void {
    const result = this.#ledger.get(id);
    if (result === undefined || result.outcome !== 'open') return;
    const call = this.#calls.of(id);
    this.#end(id, 'left', 'client_gone');
    if (call !== undefined) {
      this.#calls.end(call);
      this.#cancel(call.server, call.id);
    }
    this.#tell({ type: 'cancel', id });
  }

  #cancel(server: Server, id: string): void {
    const send = (): void => {
      for (const event of server.ollama.cancel(this.#nowMs, id)) this.#onOllama(server, event);
    };
    if (server.frozenAtMs === undefined) send();
    else server.held.push(send);
  }

  // --- the backends' side ---

  #onOllama(server: Server, event: OllamaEvent): void {
    this.#events += 1;
    if (event.type === 'loadStarted') this.#onLoadStarted(server);
    else if (event.type === 'unloaded') this.#unloads += 1;
    if (!('id' in event)) return;
    const call = this.#calls.get(event.id);
    if (call === undefined) return;
    if (event.type === 'scheduled') {
      call.runnerAtMs = this.#nowMs;
      return;
    }
    if (call.ticket === undefined) return this.#onLoadEvent(call, event);
    this.#onTicketEvent(call, call.ticket, event);
  }

  #onLoadStarted(server: Server): void {
    this.#loadsAtMs.push(this.#nowMs);
    if (!server.diesLoading) return;
    server.diesLoading = false;
    const next = { atMs: this.#nowMs + 1, backend: server.backend.spec.name, kind: 'crash' } as const;
    this.#faults.splice(this.#nextFault, 0, next);
  }

  #onLoadEvent(call: Call, event: Extract<OllamaEvent, { id: string }>): void {
    const { server, key } = call;
    if (event.type === 'firstToken') return;
    this.#calls.end(call);
    if (event.type === 'failed') this.#loadFailed(server, key, 'model');
    else this.#tell({ type: 'loaded', backend: server.backend.spec.name, key });
    this.#poll(server);
  }

  #onTicketEvent(call: Call, ticket: string, event: Extract<OllamaEvent, { id: string }>): void {
    const result = this.#ledger.get(ticket);
    if (result === undefined) return;
    if (event.type === 'firstToken') {
      Object.assign(call, { answered: true, firstTokenMs: this.#nowMs, promptMs: event.promptMs });
      result.firstTokenMs = this.#nowMs;
      return this.#tell({ type: 'first_byte', id: ticket });
    }
    this.#calls.end(call);
    if (event.type === 'failed') return this.#afterFailure(ticket, result);
    this.#end(ticket, 'ok', undefined);
    this.#tell({
      type: 'done',
      id: ticket,
      outcome: 'ok',
      sample: sampleOf(call, result.request, this.#nowMs),
    });
  }

  /** As the gateway does: another attempt while no byte was sent, within bounds. */
  #afterFailure(ticket: string, result: SimResult | undefined): void {
    if (result === undefined) return;
    const mayTryAgain = result.firstTokenMs === undefined && result.attempts < attemptsMax;
    if (!mayTryAgain) this.#end(ticket, 'failed', 'backend_failed');
    this.#tell({ type: 'done', id: ticket, outcome: 'failed' });
    if (!mayTryAgain) return;
    const spec = this.#tickets.get(ticket);
    if (spec === undefined) return;
    const again = { ...spec, tried: [...spec.tried, result.backend ?? ''] };
    this.#tickets.set(ticket, again);
    this.#tell({ type: 'arrive', ticket: again });
  }

  #end(id: string, outcome: SimResult['outcome'], code: SimResult['code']): void {
    this.#ledger.end(id, { outcome, code }, this.#nowMs);
  }

  #onFault(fault: SimFault): void {
    if (fault.kind === 'clock') {
      this.#timer.skewMs += fault.byMs;
      return;
    }
    const server = this.#servers.get(fault.backend);
    if (server === undefined) return;
    if (fault.kind === 'crash' && server.up) this.#crash(server);
    else if (fault.kind === 'back') server.up = true;
    else if (fault.kind === 'freeze') return this.#freeze(server);
    else if (fault.kind === 'thaw') this.#thaw(server);
    else changeManners(server, fault);
    this.#poll(server);
  }

  #freeze(server: Server): void {
    if (server.frozenAtMs !== undefined) return;
    server.frozenAtMs = this.#nowMs;
    this.#calls.watch(this.#nowMs, server);
  }

  /** What it worked out meanwhile comes at once; then it hears what was said to it. */
  #thaw(server: Server): void {
    server.frozenAtMs = undefined;
    if (server.up) for (const event of server.ollama.advance(this.#nowMs)) this.#onOllama(server, event);
    for (const say of server.held.splice(0)) if (server.up) say();
  }

  /** The gateway noticed the silence: it hangs up and holds the backend for down. */
  #giveUp(call: Call): void {
    this.#cancel(call.server, call.id);
    this.#poll(call.server);
    this.#lose(call);
  }

  /** The backend will never answer this call. */
  #lose(call: Call): void {
    this.#calls.end(call);
    if (call.ticket === undefined) this.#loadFailed(call.server, call.key, 'backend');
    else this.#afterFailure(call.ticket, this.#ledger.get(call.ticket));
  }

  #crash(server: Server): void {
    for (const event of server.ollama.advance(this.#nowMs)) this.#onOllama(server, event);
    server.ollama.crash();
    server.up = false;
    server.running.clear();
    server.frozenAtMs = undefined;
    server.held = [];
    for (const call of this.#calls.on(server)) this.#lose(call);
  }

  #poll(server: Server): void {
    server.nextPollMs = this.#nowMs + this.#plan.pollMs;
    const silentMs = this.#nowMs - (server.frozenAtMs ?? this.#nowMs);
    const up = server.up && silentMs < silenceMsMax.firstByte;
    // A frozen backend says nothing new until it is held for down.
    if (up && server.frozenAtMs !== undefined) return;
    const runners = up ? shownBy(server, this.#nowMs) : [];
    const polledAtMs = this.#nowMs + this.#timer.skewMs;
    const seen = { up, draining: server.draining, polledAtMs, runners };
    server.view = viewOf(server.backend, server.models, seen);
    this.#publish();
  }

  #publish(): void {
    this.#seq += 1;
    const backends = [...this.#servers.values()].map(server => server.view);
    this.#tell({ type: 'fleet', snapshot: { seq: this.#seq, atMs: this.#nowMs, backends } });
  }

  #broken(law: string): void {
    this.#ledger.broken(this.#nowMs, law);
  }
}

function answers(server: Server): boolean {
  return server.up && server.frozenAtMs === undefined;
}
