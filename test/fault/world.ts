// A gateway process in front of fakes, and the oracle that every fault test ends with: nothing is left behind.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGatewayProcess } from '../contract/gateway-process.ts';
import type { GatewayProcess } from '../contract/gateway-process.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import type { FakeOllama } from '../fakes/ollama/server.ts';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { ask } from './client.ts';
import type { AskOptions, Asking, Heard } from './client.ts';

export const MODEL = 'm:latest';

export interface WorldOptions {
  readonly fakes?: readonly Partial<FakeOptions>[];
  /** Backends that are processes of their own, as `--backend` values. */
  readonly others?: readonly string[];
  readonly slots?: number;
  /** Under `gateway` of the configuration. */
  readonly gateway?: Readonly<Record<string, unknown>>;
  readonly bus?: Readonly<Record<string, unknown>>;
  readonly flags?: readonly string[];
}

export interface Ticket {
  readonly id: string;
  readonly state: string;
}

export interface Fleet {
  readonly inFlight: number;
  readonly backends: readonly {
    readonly name: string;
    readonly state: string;
    readonly inFlight: number;
    readonly queued: number;
  }[];
  readonly queue: { readonly length: number; readonly bytes: number };
  readonly tickets: readonly Ticket[];
}

const settleMsMax = 15_000;

export class World {
  readonly gateway: GatewayProcess;
  readonly fakes: readonly FakeOllama[];
  #fdBaseline = 0;

  constructor(gateway: GatewayProcess, fakes: readonly FakeOllama[]) {
    this.gateway = gateway;
    this.fakes = fakes;
  }

  fake(at: number): FakeOllama {
    const fake = this.fakes[at];
    assert.ok(fake !== undefined);
    return fake;
  }

  ask(path: string, options: AskOptions = {}): Asking {
    return ask(this.gateway.url + path, options);
  }

  async hear(path: string, options: AskOptions = {}): Promise<Heard> {
    return this.ask(path, options).heard;
  }

  async fleet(): Promise<Fleet> {
    const { text } = await ask(`${this.gateway.admin}/bigo/v1/fleet`).heard;
    return JSON.parse(text) as Fleet;
  }

  /** Counts descriptors once everything that stays open is open. */
  async takeBaseline(): Promise<void> {
    const request = {
      body: JSON.stringify({ model: MODEL, prompt: 'Hi.', stream: false, options: { num_predict: 1 } }),
    };
    for (let count = 0; count < 4 * Math.max(1, this.fakes.length); count++)
      await this.hear('/api/generate', request);
    await sleep(200);
    this.#fdBaseline = await this.gateway.fdCount();
  }

  /** No ticket, nothing in flight, nothing queued, no byte held, no descriptor more than before. */
  async assertSettled(): Promise<void> {
    const left = await this.#until(async () => {
      const fleet = await this.fleet();
      const busy = fleet.backends.filter(backend => backend.inFlight > 0 || backend.queued > 0);
      const open = (await this.gateway.fdCount()) - this.#fdBaseline;
      const running = this.fakes.map(fake => fake.state().inFlight);
      const settled =
        fleet.tickets.length === 0 &&
        fleet.inFlight === 0 &&
        fleet.queue.length === 0 &&
        fleet.queue.bytes === 0 &&
        busy.length === 0 &&
        open <= 0 &&
        running.every(count => count === 0);
      return settled
        ? undefined
        : { tickets: fleet.tickets, queue: fleet.queue, inFlight: fleet.inFlight, busy, open, running };
    });
    assert.equal(left, undefined, `left behind: ${JSON.stringify(left)}`);
  }

  async until(what: string, holds: (fleet: Fleet) => boolean): Promise<void> {
    const missing = await this.#until(async () => {
      const fleet = await this.fleet();
      return holds(fleet) ? undefined : fleet;
    });
    assert.equal(missing, undefined, `${what}: ${JSON.stringify(missing)?.slice(0, 1500)}`);
  }

  async #until<T>(check: () => Promise<T | undefined>): Promise<T | undefined> {
    const endMs = Date.now() + settleMsMax;
    for (;;) {
      const left = await check();
      if (left === undefined || Date.now() > endMs) return left;
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await Promise.all(this.fakes.map(fake => fake.stop()));
  }
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const fakes = await Promise.all(
    (options.fakes ?? [{}]).map(fake =>
      startFakeOllama({ models: [{ name: MODEL }], loadMs: 20, tokenMs: 2, tokensMedian: 30, ...fake }),
    ),
  );
  const backends = fakes.map((fake, at) => `${fake.url},name=b${at},slots=${options.slots ?? 4}`);
  const config = {
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    ...(options.bus === undefined ? {} : { bus: options.bus }),
  };
  const stopFakes = async (): Promise<unknown> => Promise.all(fakes.map(fake => fake.stop()));
  const flags = options.flags ?? [];
  const gateway = await startGatewayProcess([...backends, ...(options.others ?? [])], {
    config,
    flags,
  }).catch(async (error: unknown) => {
    await stopFakes();
    throw error;
  });
  const world = new World(gateway, fakes);
  await world.takeBaseline();
  return world;
}

/** A world of one test: ended whatever happens in it. */
export async function inWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await startWorld(options);
  try {
    await run(world);
  } finally {
    await world.stop();
  }
}
