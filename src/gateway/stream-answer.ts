// A streamed answer on its way to the client: bytes go through untouched, their end, error and usage are read as they pass.
// Where a byte is forwarded: push(). Never buffers, never writes a terminator of its own.
import type { BigoError } from '../api/errors.ts';
import type { StreamShape } from './core/request/types.ts';
import { errorTail } from './core/stream/errors.ts';
import { createUsageStripper } from './core/stream/strip.ts';
import type { UsageStripper } from './core/stream/strip.ts';
import { createTap } from './core/stream/taps.ts';
import type { StreamTap, TapReport } from './core/stream/types.ts';
import type { HttpExchange } from './http-exchange.ts';

export interface StreamParts {
  readonly exchange: HttpExchange;
  readonly shape: StreamShape;
  /** We asked for the usage, the client did not. */
  readonly stripsUsage: boolean;
  /** The bytes are compressed: they can be passed on, but not read. */
  readonly encoded: boolean;
}

export class StreamAnswer {
  chunks = 0;
  private readonly parts: StreamParts;
  private readonly tap: StreamTap;
  private readonly stripper: UsageStripper | undefined;

  /** The status line is written here, together with the first chunk (rule 1). */
  constructor(parts: StreamParts, status: number, headers: string[]) {
    this.parts = parts;
    this.tap = createTap(parts.shape);
    this.stripper = parts.stripsUsage ? createUsageStripper() : undefined;
    parts.exchange.res.writeHead(status, headers);
  }

  /** Reads the chunk; true when the stream's end has been in it or before it. */
  read(chunk: Buffer): boolean {
    this.chunks += 1;
    this.tap.push(chunk);
    return this.tap.terminated;
  }

  /** False = the client has not read what it was given: read no more of the backend until `drain`. */
  push(chunk: Buffer): boolean {
    const { exchange } = this.parts;
    if (this.stripper === undefined) return exchange.write(chunk);
    let more = true;
    // It holds back what may belong to the next chunk, whose memory this is, too.
    for (const part of this.stripper.push(Buffer.from(chunk))) more = exchange.write(part);
    return more;
  }

  report(): TapReport {
    return this.tap.report();
  }

  end(last?: Uint8Array): void {
    const { exchange } = this.parts;
    for (const part of this.stripper?.end() ?? []) exchange.write(part);
    exchange.res.end(last);
  }

  /** Ends with an error of the dialect and without a terminator; where that cannot be said, the connection breaks (rules 6, 7). */
  breakOff(error: BigoError, requestId: string): void {
    const tail = errorTail(this.parts.shape, error, this.report(), requestId);
    if (this.parts.encoded || tail.length === 0) this.parts.exchange.res.destroy();
    else this.end(tail);
  }
}
