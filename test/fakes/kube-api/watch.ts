// One watch of the fake API server, with what a test may do to it. Never decides by itself to misbehave.
import type http from 'node:http';
import type { Fields } from './fields.ts';
import { type FakeCall, isSelected, type Route } from './route.ts';
import { type Change, meta, type Store } from './store.ts';

export interface OpenWatch {
  readonly collection: string;
  /** The connection breaks. */
  cut(): void;
  /** The server ends it, as at `timeoutSeconds`. */
  end(): void;
  /** Raw bytes, e.g. half a line. */
  write(text: string): void;
  bookmark(version: number): void;
  expire(): void;
  /** Changes how events are passed on: lost, doubled, held back. */
  relay: (change: Change, pass: (change: Change) => void) => void;
}

interface Asked {
  readonly store: Store;
  readonly watches: Set<OpenWatch>;
  readonly call: FakeCall;
  readonly route: Route;
  readonly res: http.ServerResponse;
}

export function answerWatch({ store, watches, call, route, res }: Asked): void {
  const since = Number(call.query.get('resourceVersion') ?? 0);
  res.writeHead(200, { 'content-type': 'application/json' });
  res.flushHeaders();
  const line = (type: string, object: Fields) =>
    !res.writableEnded && res.write(`${JSON.stringify({ type, object })}\n`);
  const expire = () => {
    line('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
    res.end();
  };
  if (since < store.oldest) return expire();
  const pass = (change: Change) => line(change.type, change.object);
  const watch: OpenWatch = {
    collection: route.collection,
    cut: () => res.socket?.destroy(),
    end: () => res.end(),
    write: text => res.write(text),
    bookmark: version => line('BOOKMARK', { metadata: { resourceVersion: String(version) } }),
    expire,
    relay: (change, next) => next(change),
  };
  const take = (change: Change) => {
    if (!isMeant(change, route)) return;
    // What the selector leaves behind is gone for this watch.
    const type = isSelected(change.object, call.query) ? change.type : 'DELETED';
    watch.relay({ ...change, type }, pass);
  };
  store.history.filter(change => change.version > since).forEach(take);
  const stop = store.onChange(take);
  watches.add(watch);
  res.on('close', () => {
    stop();
    watches.delete(watch);
  });
}

function isMeant(change: Change, route: Route): boolean {
  if (change.collection !== route.collection) return false;
  return route.namespace === '' || meta(change.object)['namespace'] === route.namespace;
}
