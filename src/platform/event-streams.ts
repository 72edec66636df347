// Server-sent events to many readers. Never queues for a slow one: what it missed is in the next event of the same kind.
import type { ServerResponse } from 'node:http';

const readersMax = 64;

export class EventStreams {
  private readonly readers = new Set<ServerResponse>();
  private readonly onEmpty: () => void;
  private closed = false;

  /** `onEmpty` is called when the last reader left. */
  constructor(onEmpty: () => void) {
    this.onEmpty = onEmpty;
  }

  get size(): number {
    return this.readers.size;
  }

  /** False: there is no room, and it was told so. */
  admit(res: ServerResponse): boolean {
    if (this.closed || this.readers.size >= readersMax) {
      res.writeHead(503, { 'retry-after': '5' }).end();
      return false;
    }
    res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    res.flushHeaders();
    res.on('close', () => {
      if (this.readers.delete(res) && this.readers.size === 0) this.onEmpty();
    });
    this.readers.add(res);
    return true;
  }

  send(event: string): void {
    for (const res of this.readers) if (!res.writableNeedDrain) res.write(event);
  }

  close(): void {
    this.closed = true;
    for (const res of this.readers) res.end();
    this.readers.clear();
  }
}

export function eventOf(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
