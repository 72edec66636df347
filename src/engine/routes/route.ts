// What a route is: a method, a path, how its errors look, and what it does. Never matches anything itself.
import type { ErrorShape } from '../core/answer.ts';
import type { EngineContext } from '../context.ts';
import type { Exchange } from '../exchange.ts';

export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE';
  /** A last part `:name` matches one path part; `*name` matches the rest. */
  readonly path: string;
  readonly errorShape: ErrorShape;
  readonly serve: (context: EngineContext, exchange: Exchange) => Promise<void> | void;
}
