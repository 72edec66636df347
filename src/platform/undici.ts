// The part of undici that servers of ours need: an Agent that asks. Never fetch, mocks, caches and interceptors, which undici's
// index loads all of, and which would make up a fifth of a gateway's start.
import type { Dispatcher } from 'undici';
import Agent from 'undici/lib/dispatcher/agent.js';
import DispatcherClass from 'undici/lib/dispatcher/dispatcher.js';
import methods from 'undici/lib/api/index.js';

// What undici's index does, too: until then an Agent has no `request`.
Object.assign(DispatcherClass.prototype, methods);

export { Agent };

type Asked = Omit<Dispatcher.RequestOptions, 'origin' | 'path'>;

/** As undici's own `request`, with the agent named. */
export function request(agent: Agent, address: string, options: Asked): Promise<Dispatcher.ResponseData> {
  const { origin, pathname, search } = new URL(address);
  return agent.request({ ...options, origin, path: pathname + search });
}
