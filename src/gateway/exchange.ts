// One client request on its way through the gateway's shell: what every handler is given. Never holds a decision.
import type { ClientAnswer, ClientRequest } from '../platform/wire/client.ts';
import type { Route } from './core/request/types.ts';

export interface Identity {
  /** Key id, or `anonymous`. */
  readonly tenant: string;
  readonly role: 'user' | 'admin';
  /** Model keys it may use; undefined = all. */
  readonly models?: ReadonlySet<string>;
  readonly priorityMax: 'high' | 'normal' | 'low' | 'batch';
}

export interface Exchange {
  readonly req: ClientRequest;
  readonly res: ClientAnswer;
  readonly route: Route;
  /** Values of `:name` parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly requestId: string;
  readonly identity: Identity;
  readonly receivedAtMs: number;
  /** Aborted (with an Error as reason) as soon as the client is gone. */
  readonly signal: AbortSignal;
}
