// Routers as other systems build them, for comparison in the same simulated day: they send at once and never load by themselves.
// Facts: gateway.md's tables; nomyo-router and ollama-herd ("loaded first"), KubeAI (bounded consistent hashing), llm-d (sticky).
import type { FleetSnapshot } from '../api/fleet.ts';
import type { Effect, SchedulerEvent, TicketSpec } from '../gateway/core/scheduler/messages.ts';
import { hash32 } from './hash.ts';
import type { Rng } from './rng.ts';
import { intBelow } from './rng.ts';
import type { Router } from './types.ts';

interface Node {
  readonly name: string;
  readonly slots: number;
  readonly models: ReadonlySet<string>;
  loaded: ReadonlySet<string>;
  usable: boolean;
  inFlight: number;
  /** In flight by model. */
  readonly byModel: Map<string, number>;
}

export type Pick = (ticket: TicketSpec, usable: readonly Node[], all: readonly Node[]) => Node | undefined;

/** A router that picks a backend the moment a request arrives. */
class Immediate implements Router {
  readonly #nodes = new Map<string, Node>();
  readonly #running = new Map<string, { node: Node; model: string }>();
  readonly #waiting = new Map<string, TicketSpec>();
  readonly #pick: Pick;
  #grant = 0;

  constructor(pick: Pick) {
    this.#pick = pick;
  }

  nextWakeMs(): number | undefined {
    let atMs: number | undefined;
    for (const ticket of this.#waiting.values()) atMs = Math.min(atMs ?? Infinity, ticket.queueDeadlineMs);
    return atMs;
  }

  on(event: SchedulerEvent, nowMs: number): Effect[] {
    switch (event.type) {
      case 'arrive':
        this.#waiting.set(event.ticket.id, event.ticket);
        return this.#flush(nowMs);
      case 'done':
      case 'cancel':
        this.#waiting.delete(event.id);
        this.#free(event.id);
        return [];
      case 'fleet':
        this.#observe(event.snapshot);
        return this.#flush(nowMs);
      case 'tick':
        return this.#flush(nowMs);
      default:
        return [];
    }
  }

  #flush(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const ticket of [...this.#waiting.values()]) {
      const effect = this.#route(ticket, nowMs);
      if (effect === undefined) continue;
      this.#waiting.delete(ticket.id);
      effects.push(effect);
    }
    return effects;
  }

  #route(ticket: TicketSpec, nowMs: number): Effect | undefined {
    const all = [...this.#nodes.values()];
    const usable = all.filter(node => node.usable && node.models.has(ticket.model));
    const fresh = usable.filter(node => !ticket.tried.includes(node.name));
    const node = this.#pick(ticket, fresh.length > 0 ? fresh : usable, all);
    if (node !== undefined) return this.#send(ticket, node, nowMs);
    if (ticket.queueDeadlineMs > nowMs) return undefined;
    return { type: 'reject', id: ticket.id, code: 'no_backend', message: 'none', retryAfterMs: 1_000 };
  }

  #send(ticket: TicketSpec, node: Node, nowMs: number): Effect {
    node.inFlight += 1;
    node.byModel.set(ticket.model, (node.byModel.get(ticket.model) ?? 0) + 1);
    this.#running.set(ticket.id, { node, model: ticket.model });
    return {
      type: 'dispatch',
      id: ticket.id,
      backend: node.name,
      key: '',
      grant: { id: ++this.#grant, term: 1 },
      reason: 'holder',
      estimateMs: 0,
      queuedMs: nowMs - ticket.arrivedAtMs,
      considered: [],
    };
  }

  #free(id: string): void {
    const run = this.#running.get(id);
    if (run === undefined) return;
    this.#running.delete(id);
    run.node.inFlight -= 1;
    run.node.byModel.set(run.model, (run.node.byModel.get(run.model) ?? 1) - 1);
  }

  #observe(snapshot: FleetSnapshot): void {
    for (const view of snapshot.backends) {
      let node = this.#nodes.get(view.spec.name);
      if (node === undefined) {
        node = {
          name: view.spec.name,
          slots: view.spec.slots ?? 1,
          models: new Set(view.models.keys()),
          loaded: new Set(),
          usable: true,
          inFlight: 0,
          byModel: new Map(),
        };
        this.#nodes.set(node.name, node);
      }
      node.usable = view.state === 'up' && !view.draining;
      node.loaded = new Set(view.loaded.map(loaded => loaded.key));
    }
  }
}

function least(nodes: readonly Node[], rng: Rng): Node | undefined {
  const fewest = Math.min(...nodes.map(node => node.inFlight));
  const ties = nodes.filter(node => node.inFlight === fewest);
  return ties[intBelow(rng, ties.length)];
}

export function roundRobin(): Router {
  let turn = 0;
  return new Immediate((_ticket, usable) => usable[turn++ % Math.max(1, usable.length)]);
}

export function random(rng: Rng): Router {
  return new Immediate((_ticket, usable) => usable[intBelow(rng, usable.length)]);
}

export function leastConnections(rng: Rng): Router {
  return new Immediate((_ticket, usable) => least(usable, rng));
}

/** 1. loaded there with a free slot, 2. a free slot anywhere, 3. the least busy one. */
export function loadedFirst(rng: Rng): Router {
  return new Immediate((ticket, usable) => {
    const free = usable.filter(node => (node.byModel.get(ticket.model) ?? 0) < node.slots);
    const warm = free.filter(
      node => node.loaded.has(ticket.model) || (node.byModel.get(ticket.model) ?? 0) > 0,
    );
    if (warm.length > 0) return least(warm, rng);
    return least(free.length > 0 ? free : usable, rng);
  });
}

const ringReplicas = 256;
const loadFactor = 1.25;

/** Consistent hashing of the model with bounded load: on around the ring while a node has over 1.25 × the mean load. */
export function boundedHash(): Router {
  const points: { at: number; name: string }[] = [];
  return new Immediate((ticket, usable, all) => {
    if (points.length === 0) {
      for (const node of all) {
        for (let index = 0; index < ringReplicas; index++)
          points.push({ at: hash32(`${node.name}-${index}`), name: node.name });
      }
      points.sort((a, b) => a.at - b.at);
    }
    const total = usable.reduce((sum, node) => sum + node.inFlight, 0);
    const bound = Math.ceil(((total + 1) / Math.max(1, usable.length)) * loadFactor);
    const from = hash32(ticket.model);
    const start = Math.max(
      0,
      points.findIndex(point => point.at >= from),
    );
    for (let step = 0; step < points.length; step++) {
      const name = points[(start + step) % points.length]?.name;
      const node = usable.find(candidate => candidate.name === name);
      if (node !== undefined && node.inFlight < bound) return node;
    }
    return usable[0];
  });
}

/** The affine backend of the model while its backlog is short, else the least busy, which becomes the affine one. */
export function stickyUntilSaturated(rng: Rng, backlogMax: number): Router {
  const home = new Map<string, string>();
  return new Immediate((ticket, usable) => {
    const affine = usable.find(node => node.name === home.get(ticket.model));
    if (affine !== undefined && affine.inFlight <= backlogMax) return affine;
    const chosen = least(usable, rng);
    if (chosen !== undefined) home.set(ticket.model, chosen.name);
    return chosen;
  });
}
