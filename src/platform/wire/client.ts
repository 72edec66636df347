// What a handler needs of a client's request and of the answer to it. node:http's own objects are such, and so is a call of the lane.
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

export interface ClientRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  /** The body has fully arrived. */
  readonly complete: boolean;
  readonly socket: Socket;
}

export interface ClientAnswer {
  readonly statusCode: number;
  readonly headersSent: boolean;
  /** All of it went to the operating system. */
  readonly writableFinished: boolean;
  /** Name, value, name, value. */
  writeHead(status: number, headers: string[]): unknown;
  /** False = the client reads slower than it is given: wait for `drain`. */
  write(chunk: Uint8Array): boolean;
  end(chunk?: string | Uint8Array): unknown;
  destroy(): unknown;
  writeContinue(): void;
  on(event: 'drain' | 'close', listener: () => void): unknown;
}
