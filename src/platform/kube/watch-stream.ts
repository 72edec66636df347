// The lines of one watch: JSON events, whole lines only, and a watchdog for silence. Ends when the server ends it.
// Never swallows a line that cannot be read: a broken stream is an error, and the caller lists again.
import type { Dispatcher } from 'undici';
import type { KubeObject } from '../../api/kube-object.ts';
import { KubeError, type KubeStatus, unreachable } from './kube-error.ts';

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

interface Watching {
  readonly idleMsMax: number;
  readonly signal: AbortSignal;
  readonly open: (signal: AbortSignal) => Promise<Dispatcher.ResponseData>;
}

const lineBytesMax = 16 * 1024 * 1024;

export async function* readWatch({ idleMsMax, signal, open }: Watching): AsyncGenerator<WatchEvent> {
  const stop = new AbortController();
  const end = () => stop.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const dead = new KubeError(0, { reason: 'Silent', message: `the watch was silent for ${idleMsMax} ms` });
  const watchdog = setTimeout(() => stop.abort(dead), idleMsMax).unref();
  try {
    const answer = await open(stop.signal);
    for await (const line of lines(answer.body, () => watchdog.refresh())) yield parseEvent(line);
  } catch (error) {
    if (signal.aborted) return;
    if (stop.signal.aborted) throw dead;
    throw error instanceof KubeError ? error : unreachable('of the watch', error);
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', end);
    stop.abort();
  }
}

async function* lines(body: AsyncIterable<Buffer>, heard: () => void): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of body) {
    heard();
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      held.push(chunk.subarray(from, end));
      const line = Buffer.concat(held).toString('utf8').trim();
      held = [];
      heldBytes = 0;
      from = end + 1;
      if (line !== '') yield line;
    }
    if (from < chunk.length) held.push(chunk.subarray(from));
    heldBytes += chunk.length - from;
    if (heldBytes > lineBytesMax) throw broken(`a line over ${lineBytesMax} bytes`);
  }
  // Half a line is half an event: reading on from the last whole one brings it again.
  if (heldBytes > 0) throw new KubeError(0, { reason: 'Cut', message: 'the watch ended inside an event' });
}

function parseEvent(line: string): WatchEvent {
  let event: { readonly type?: string; readonly object?: unknown };
  try {
    event = JSON.parse(line) as typeof event;
  } catch {
    throw broken('a line that is not JSON');
  }
  if (event.type === 'ERROR') {
    const status = event.object as KubeStatus;
    throw new KubeError(status.code ?? 500, status);
  }
  if (!isKnown(event.type) || typeof event.object !== 'object')
    throw broken(`an event of type ${event.type}`);
  return { type: event.type, object: event.object as KubeObject };
}

function isKnown(type: string | undefined): type is WatchEvent['type'] {
  return type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK';
}

/** Events may be lost: counts as expired, so that everything is listed again. */
function broken(what: string): KubeError {
  return new KubeError(410, { reason: 'Broken', message: `the watch sent ${what}` });
}
