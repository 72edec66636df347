// The way an answer leaves the fake: everything written passes here, so that a fault can cut, stall or garble it.
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Fault } from './faults.ts';

/** As Go's encoding/json writes it. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const hugeHeaderBytes = 200_000;

export class Outlet {
  readonly res: ServerResponse;
  fault: Fault | undefined;
  #bodyBytes = 0;
  #shut = false;

  constructor(res: ServerResponse) {
    this.res = res;
  }

  get started(): boolean {
    return this.res.headersSent;
  }

  head(status: number, headers: Record<string, string | number>): void {
    if (this.#shut || this.started) return;
    if (this.fault?.kind === 'die_before_first_byte') {
      this.#reset();
      return;
    }
    const extra = this.fault?.kind === 'huge_headers' ? { 'X-Huge': 'h'.repeat(hugeHeaderBytes) } : {};
    this.res.writeHead(status, { ...headers, ...extra });
    this.res.flushHeaders();
  }

  /** One complete answer of known length. */
  full(status: number, body: string, contentType: string): void {
    const kind = this.fault?.kind;
    const bytes = kind === 'gzip' ? gzipSync(body) : Buffer.from(body);
    const lie = kind === 'short_body' ? 1000 : kind === 'long_body' ? -5 : 0;
    if (lie !== 0) {
      this.#lie(status, bytes, lie);
      return;
    }
    const encoding: Record<string, string> = kind === 'gzip' ? { 'Content-Encoding': 'gzip' } : {};
    this.head(status, { 'Content-Type': contentType, 'Content-Length': bytes.length, ...encoding });
    this.write(bytes);
    this.end();
  }

  json(status: number, value: unknown): void {
    this.full(status, goJson(value), 'application/json; charset=utf-8');
  }

  empty(status: number): void {
    this.head(status, { 'Content-Length': 0 });
    this.end();
  }

  write(data: string | Uint8Array): void {
    if (this.#shut) return;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const limit = this.#limit();
    if (this.#bodyBytes + bytes.length <= limit) {
      this.#bodyBytes += bytes.length;
      this.res.write(bytes);
      return;
    }
    const last = bytes.subarray(0, limit - this.#bodyBytes);
    this.#shut = true;
    if (last.length > 0) this.res.write(last, () => this.#atLimit());
    else this.#atLimit();
  }

  end(): void {
    if (this.#shut) return;
    this.#shut = true;
    this.res.end();
  }

  #limit(): number {
    const kind = this.fault?.kind;
    const limited = kind === 'die_after' || kind === 'stall_after' || kind === 'cut_after';
    return limited ? (this.fault?.after ?? 0) : Infinity;
  }

  #atLimit(): void {
    if (this.fault?.kind === 'die_after') this.#reset();
    else if (this.fault?.kind === 'cut_after') this.res.end();
  }

  #reset(): void {
    this.#shut = true;
    this.res.socket?.resetAndDestroy();
  }

  /** Node refuses to write a wrong length, so the bytes go past it. */
  #lie(status: number, bytes: Buffer, lieBytes: number): void {
    this.#shut = true;
    const head = `HTTP/1.1 ${status} OK\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length + lieBytes}\r\n\r\n`;
    const { socket } = this.res;
    socket?.write(head);
    socket?.end(bytes);
  }
}
