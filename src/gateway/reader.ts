// Whether the client reads what it is given. Never waits without a limit: its owner cuts a reader that stands still (rule 13).
import type { HttpExchange } from './http-exchange.ts';

/** A reader must get this far between two looks at it, or it counts as stopped. */
const readBytesMin = 4_096;

export class Reader {
  /** It was given more than it has read; the backend is not read meanwhile. */
  paused = false;
  private readonly exchange: HttpExchange;
  private watched = false;
  private bytesAtLook = 0;

  constructor(exchange: HttpExchange) {
    this.exchange = exchange;
  }

  pause(onDrain: () => void): void {
    this.paused = true;
    if (this.watched) return;
    this.watched = true;
    this.exchange.res.on('drain', () => {
      this.paused = false;
      onDrain();
    });
  }

  /** Looks at how much went out since the last look. */
  reads(): boolean {
    const bytes = this.exchange.req.socket.bytesWritten;
    const reads = bytes - this.bytesAtLook >= readBytesMin;
    this.bytesAtLook = bytes;
    return reads;
  }

  cut(): void {
    this.exchange.req.socket.destroy();
  }
}
