// Asks the writer of one store to do one change and says what came of it. Never asks twice (rule 3), never throws.
import { HOP_HEADER, type BackendSpec } from '../../api/fleet.ts';
import type { Store } from '../../fleet/stores.ts';
import type { Fleet } from '../../fleet/types.ts';
import { failureOf } from '../../platform/http-failure.ts';
import type { HttpClient } from '../../platform/http.ts';
import { errorWords, readLine } from '../core/models/read-line.ts';
import type { ProgressLine } from '../core/models/progress.ts';
import type { StoreResult } from '../core/models/verdict.ts';
import { whenLost } from './lost.ts';

export interface Change {
  readonly path: string;
  readonly method: 'POST' | 'DELETE';
  readonly body: string | Uint8Array;
  readonly signal: AbortSignal;
}

export const awayMessage = 'it does not answer';

const answerBytesMax = 1024 * 1024;
const lineBytesMax = 256 * 1024;
/** A copy or delete touches a few small files, on a disk that may be busy. */
const plainMsMax = 60_000;
/** Ollama says nothing while it checks or converts a large file; that it still lives is seen by the fleet's probes. */
const silenceMsMax = 60 * 60_000;
/** A backend that the fleet calls down for this long will not finish what it began. */
const lostMsMax = 15_000;
const refreshMsMax = 5_000;

export class Asker {
  readonly #http: HttpClient;
  readonly #fleet: Fleet;
  readonly #instanceId: string;

  constructor(parts: { http: HttpClient; fleet: Fleet; instanceId: string }) {
    this.#http = parts.http;
    this.#fleet = parts.fleet;
    this.#instanceId = parts.instanceId;
  }

  /** Copy and delete: one answer. */
  async plain(store: Store, change: Change): Promise<StoreResult> {
    const spec = store.writer?.spec;
    if (spec === undefined) return { type: 'gone', message: awayMessage };
    try {
      const answer = await this.#http.ask(spec, {
        ...this.#request(change),
        bytesMax: answerBytesMax,
        timeMsMax: plainMsMax,
      });
      if (answer.status === 200) return { type: 'done' };
      return {
        type: 'refused',
        status: answer.status,
        message: errorWords(answer.body.toString('utf8'), answer.status),
      };
    } catch (error) {
      return this.#gone(error, spec);
    }
  }

  /** Pull, push and create: lines until `success` or an error. */
  async lines(store: Store, change: Change, tell: (line: ProgressLine) => void): Promise<StoreResult> {
    const spec = store.writer?.spec;
    if (spec === undefined) return { type: 'gone', message: awayMessage };
    const watch = whenLost(this.#fleet, spec.name, lostMsMax);
    const signal = AbortSignal.any([change.signal, watch.signal]);
    try {
      const request = { ...this.#request({ ...change, signal }), bytesMax: lineBytesMax, silenceMsMax };
      const { status, lines } = await this.#http.askLines(spec, request);
      return status === 200 ? await readLines(lines, tell) : await readRefusal(lines, status);
    } catch (error) {
      return watch.signal.aborted ? { type: 'gone', message: awayMessage } : this.#gone(error, spec);
    } finally {
      watch.end();
    }
  }

  /** Waits until the lists show what was changed, but not for ever. */
  async refresh(stores: readonly Store[]): Promise<void> {
    const names = stores.flatMap(store => store.backends.map(({ spec }) => spec.name));
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>(resolve => (timer = setTimeout(resolve, refreshMsMax)));
    await Promise.race([limit, Promise.all(names.map(name => this.#fleet.refresh(name)))]);
    clearTimeout(timer);
  }

  #request({ path, method, body, signal }: Change) {
    const headers = { [HOP_HEADER]: this.#instanceId, 'content-type': 'application/json' };
    return { path, method, body, signal, headers };
  }

  #gone(error: unknown, spec: BackendSpec): StoreResult {
    const { message } = failureOf(error, spec.url);
    this.#fleet.noteDown(spec.name, message);
    return { type: 'gone', message: message.replace(`${spec.url}: `, '') };
  }
}

async function readLines(
  lines: AsyncIterable<string>,
  tell: (line: ProgressLine) => void,
): Promise<StoreResult> {
  for await (const text of lines) {
    const read = readLine(text);
    if (read.type === 'error') return { type: 'refused', status: 500, message: read.message };
    if (read.type === 'success') return { type: 'done' };
    if (read.type === 'progress') tell(read.line);
  }
  return { type: 'gone', message: 'it stopped before it was done' };
}

async function readRefusal(lines: AsyncIterable<string>, status: number): Promise<StoreResult> {
  for await (const text of lines) return { type: 'refused', status, message: errorWords(text, status) };
  return { type: 'refused', status, message: errorWords('', status) };
}
