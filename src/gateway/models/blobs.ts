// A blob goes to every store that lacks it, in one pass, as fast as the slowest takes it. Never holds more than a window of it.
import { PassThrough } from 'node:stream';
import { BigoError } from '../../api/errors.ts';
import { HOP_HEADER, type BackendSpec } from '../../api/fleet.ts';
import type { Store } from '../../fleet/stores.ts';
import { failureOf } from '../../platform/http-failure.ts';
import type { HttpClient } from '../../platform/http.ts';
import { errorWords } from '../core/models/read-line.ts';
import type { StoreAnswer, StoreResult } from '../core/models/verdict.ts';

export interface BlobTimes {
  /** Between two pieces from the client. */
  readonly receiveMsMax: number;
  /** A store that takes nothing for this long is left out. */
  readonly stallMsMax: number;
}

export interface BlobCourier {
  readonly http: HttpClient;
  readonly instanceId: string;
}

const headMsMax = 15_000;
/** After the last byte: Ollama has hashed all before, and writes the rest to its disk. */
const answerMsMax = 10 * 60_000;
const answerBytesMax = 64 * 1024;
const windowBytes = 256 * 1024;

export type BlobPresence = 'has' | 'lacks' | 'gone';

export async function askBlob(courier: BlobCourier, store: Store, digest: string): Promise<BlobPresence> {
  const spec = store.writer?.spec;
  if (spec === undefined) return 'gone';
  try {
    const headers = { [HOP_HEADER]: courier.instanceId };
    const limits = { timeMsMax: headMsMax, bytesMax: answerBytesMax };
    const answer = await courier.http.ask(spec, {
      method: 'HEAD',
      path: `/api/blobs/${digest}`,
      headers,
      ...limits,
    });
    return answer.status === 200 ? 'has' : 'lacks';
  } catch {
    return 'gone';
  }
}

export interface Upload {
  readonly digest: string;
  readonly body: AsyncIterable<Buffer>;
  readonly contentLength: string | undefined;
  readonly signal: AbortSignal;
  readonly times: BlobTimes;
}

/** Rejects only when the client stops; what a store does wrong is in its answer. */
export async function teeBlob(
  courier: BlobCourier,
  stores: readonly Store[],
  upload: Upload,
): Promise<StoreAnswer[]> {
  const sinks = stores.flatMap(store => {
    const spec = store.writer?.spec;
    return spec === undefined ? [] : [new Sink(courier, { store: store.id, spec, upload })];
  });
  try {
    for await (const chunk of pieces(upload)) {
      const open = sinks.filter(sink => sink.open);
      if (open.length === 0) break;
      await Promise.all(open.map(sink => sink.write(chunk)));
    }
  } catch (error) {
    for (const sink of sinks) sink.abandon();
    throw error;
  }
  return Promise.all(sinks.map(sink => sink.finish()));
}

/** The client's bytes, and its silence as an error. Time in which a store holds up the client does not count. */
async function* pieces(upload: Upload): AsyncGenerator<Buffer> {
  const { receiveMsMax } = upload.times;
  const iterator = upload.body[Symbol.asyncIterator]();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_resolve, reject) => {
      const message = `The upload stood still for ${receiveMsMax} ms.`;
      timer = setTimeout(() => reject(new BigoError('request_timeout', message)), receiveMsMax);
    });
    try {
      const next = await Promise.race([iterator.next(), silence]);
      if (next.done === true) return;
      yield next.value;
    } finally {
      clearTimeout(timer);
    }
  }
}

class Sink {
  readonly #store: string;
  readonly #backend: string;
  readonly #stallMsMax: number;
  readonly #stream = new PassThrough({ highWaterMark: windowBytes });
  readonly #stop = new AbortController();
  readonly #answer: Promise<StoreResult>;
  #settled = false;
  #stalled = false;

  constructor(courier: BlobCourier, parts: { store: string; spec: BackendSpec; upload: Upload }) {
    const { store, spec, upload } = parts;
    this.#store = store;
    this.#backend = spec.name;
    this.#stallMsMax = upload.times.stallMsMax;
    // Its request fails in its own way when the stream is destroyed; that is where the reason is told.
    this.#stream.on('error', () => {});
    this.#answer = this.#send(courier, spec, upload).finally(() => {
      this.#settled = true;
      this.#stream.destroy();
    });
  }

  /** A server may answer before it has read all: it refused, or has the blob meanwhile. */
  get open(): boolean {
    return !this.#settled && !this.#stream.destroyed;
  }

  async write(chunk: Buffer): Promise<void> {
    if (!this.open || this.#stream.write(chunk)) return;
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => {
        this.#stalled = true;
        this.abandon();
      }, this.#stallMsMax);
      const go = (): void => {
        clearTimeout(timer);
        this.#stream.off('drain', go);
        this.#stream.off('close', go);
        resolve();
      };
      this.#stream.on('drain', go);
      this.#stream.on('close', go);
    });
  }

  async finish(): Promise<StoreAnswer> {
    const timer = setTimeout(() => this.abandon(), answerMsMax);
    if (this.open) this.#stream.end();
    const result = await this.#answer;
    clearTimeout(timer);
    return { store: this.#store, backend: this.#backend, result };
  }

  abandon(): void {
    this.#stop.abort(new Error('the upload was given up'));
    this.#stream.destroy();
  }

  async #send(courier: BlobCourier, spec: BackendSpec, upload: Upload): Promise<StoreResult> {
    try {
      const answer = await courier.http.ask(spec, {
        method: 'POST',
        path: `/api/blobs/${upload.digest}`,
        headers: {
          [HOP_HEADER]: courier.instanceId,
          'content-type': 'application/octet-stream',
          ...(upload.contentLength === undefined ? {} : { 'content-length': upload.contentLength }),
        },
        body: this.#stream,
        bytesMax: answerBytesMax,
        signal: AbortSignal.any([this.#stop.signal, upload.signal]),
      });
      if (answer.status === 200 || answer.status === 201) return { type: 'done' };
      return {
        type: 'refused',
        status: answer.status,
        message: errorWords(answer.body.toString('utf8'), answer.status),
      };
    } catch (error) {
      if (this.#stalled) return { type: 'gone', message: `it took nothing for ${this.#stallMsMax} ms` };
      return { type: 'gone', message: failureOf(error, spec.url).message.replace(`${spec.url}: `, '') };
    }
  }
}
