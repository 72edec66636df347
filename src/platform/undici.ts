// The part of undici that servers of ours need: an Agent that asks. Never fetch, mocks, caches and interceptors, which undici's
// index loads all of, and which would make up a fifth of a gateway's start.
import { EventEmitter } from 'node:events';
import type { Dispatcher } from 'undici';
import Agent from 'undici/lib/dispatcher/agent.js';
import DispatcherClass from 'undici/lib/dispatcher/dispatcher.js';
import methods from 'undici/lib/api/index.js';

// What undici's index does, too: until then an Agent has no `request`.
Object.assign(DispatcherClass.prototype, methods);

export { Agent };

/**
 * Ends an exchange, as an AbortSignal does. V8 forgets what listens to a signal only when it collects everything, so for questions
 * that are asked often a signal costs more than the question.
 */
export class Stop extends EventEmitter<{ abort: [] }> {
  reason: Error | undefined;

  abort(reason: Error): void {
    this.reason = reason;
    this.emit('abort');
  }
}

type Asked = Omit<Dispatcher.RequestOptions, 'origin' | 'path'>;

/** As undici's own `request`, with the agent named. */
export function request(agent: Agent, address: string, options: Asked): Promise<Dispatcher.ResponseData> {
  if (options.signal instanceof Stop && options.signal.reason !== undefined)
    return Promise.reject(options.signal.reason);
  const { origin, pathname, search } = new URL(address);
  return agent.request({ ...options, origin, path: pathname + search });
}
