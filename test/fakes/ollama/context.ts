// What every handler of the fake is given, and the few checks they share. Never answers by itself.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultPlan } from './faults.ts';
import type { FakeOptions } from './options.ts';
import type { Outlet } from './outlet.ts';
import type { Schedule } from './schedule.ts';
import type { Model, Store } from './store.ts';

export interface Fake {
  readonly options: FakeOptions;
  readonly store: Store;
  readonly schedule: Schedule;
  readonly faults: FaultPlan;
  /** Answers of lists that a test put there instead of the true ones. */
  readonly lies: { tags?: unknown; ps?: unknown };
  readonly counters: { requests: number; untold: number };
}

export interface Call {
  readonly fake: Fake;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly out: Outlet;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Record<string, unknown>;
}

/** An answer that ends a handler: every dialect writes it in its own form. */
export class Refusal extends Error {
  readonly status: number;
  /** Whether the dialect's own layer refused, or what lies behind it: their content types differ. */
  readonly by: 'layer' | 'server';

  constructor(status: number, message: string, by: Refusal['by'] = 'layer') {
    super(message);
    this.status = status;
    this.by = by;
  }
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function modelOf(fake: Fake, name: string, missing: (name: string) => string): Model {
  const model = fake.store.find(name);
  if (model === undefined) throw new Refusal(404, missing(name), 'server');
  return model;
}

export const notFound = (name: string): string => `model '${name}' not found`;
export const notFoundTryPull = (name: string): string =>
  `model ${JSON.stringify(name)} not found, try pulling it first`;
