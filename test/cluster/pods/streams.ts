// Clients that stream in three dialects and judge each answer by its own end: whole, ended by an error that says so, or cut.
// Never looks into the cluster: what a person would see is all they know.
import { setTimeout as sleep } from 'node:timers/promises';

export const dialects = ['ollama', 'openai', 'anthropic'] as const;
export type Dialect = (typeof dialects)[number];

export interface Ask {
  readonly dialect: Dialect;
  readonly model: string;
  readonly tokens: number;
}

/** `told`: the stream ended by an error in its own dialect; `refused`: an answer with an error status; `cut`: neither. */
export type End = 'whole' | 'told' | 'refused' | 'cut';

export interface Stream {
  readonly ask: Ask;
  readonly end: End;
  readonly backend: string | undefined;
  readonly startedAtMs: number;
  readonly firstAtMs: number | undefined;
  readonly endedAtMs: number;
  /** The last that was read, for people. */
  readonly tail: string;
}

const tailChars = 400;
const refusedMs = 500;
const watchMs = 100;

function requestOf({ dialect, model, tokens }: Ask): { readonly path: string; readonly body: object } {
  const messages = [{ role: 'user', content: 'Tell me a long story.' }];
  switch (dialect) {
    case 'ollama':
      return { path: '/api/chat', body: { model, messages, options: { num_predict: tokens } } };
    case 'openai':
      return {
        path: '/v1/chat/completions',
        body: { model, messages, max_tokens: tokens, stream: true },
      };
    case 'anthropic':
      return { path: '/v1/messages', body: { model, messages, max_tokens: tokens, stream: true } };
    default:
      return dialect satisfies never;
  }
}

/** By the words that end an answer in each dialect, at its very end. */
function endOf(dialect: Dialect, text: string): End {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  if (dialect === 'ollama') {
    const line = parsed(last);
    if (line?.['done'] === true) return 'whole';
    return line?.['error'] === undefined ? 'cut' : 'told';
  }
  const data = parsed(last.replace(/^data: /, ''));
  if (dialect === 'openai') {
    if (last === 'data: [DONE]' && !/^data: \{"error"/m.test(text)) return 'whole';
    return /^data: \{"error"/m.test(text) ? 'told' : 'cut';
  }
  if (data?.['type'] === 'message_stop') return 'whole';
  return data?.['type'] === 'error' ? 'told' : 'cut';
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

interface Open {
  backend: string | undefined;
  firstAtMs: number | undefined;
}

async function stream({ url, key }: CrowdWish, ask: Ask, open: Open, signal: AbortSignal): Promise<Stream> {
  const { path, body } = requestOf(ask);
  const startedAtMs = Date.now();
  const done = (end: End, text: string): Stream => {
    return { ask, end, ...open, startedAtMs, endedAtMs: Date.now(), tail: text.slice(-tailChars) };
  };
  let text = '';
  try {
    const headers = {
      'content-type': 'application/json',
      'anthropic-version': '2023-06-01',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
    open.backend = answer.headers.get('x-bigo-backend') ?? undefined;
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      open.firstAtMs ??= Date.now();
      text += decoder.decode(chunk as Uint8Array, { stream: true });
    }
    if (answer.status !== 200) return done('refused', `${answer.status} ${text}`);
    return done(endOf(ask.dialect, text), text);
  } catch (error) {
    const cause = (error as { cause?: Error }).cause;
    return done('cut', `${text}\n${String(error)} ${cause === undefined ? '' : String(cause)}`);
  }
}

export interface CrowdWish {
  readonly url: string;
  /** Of a gateway that asks for one. */
  readonly key?: string;
  readonly model: string;
  readonly atOnce: number;
  /** An answer has between the first and the second number of tokens. */
  readonly tokens: readonly [min: number, max: number];
}

/** So many clients, each with one request after another. */
export class Crowd {
  readonly ended: Stream[] = [];
  readonly #wish: CrowdWish;
  readonly #open = new Set<Open>();
  readonly #left = new AbortController();
  #isStopped = false;
  #least = Infinity;
  #watch: NodeJS.Timeout | undefined;
  #clients: Promise<void>[] = [];
  #count = 0;

  constructor(wish: CrowdWish) {
    this.#wish = wish;
  }

  start(): void {
    const look = (): void => void (this.#least = Math.min(this.#least, this.streaming.length));
    this.#watch = setInterval(look, watchMs);
    this.#clients = Array.from({ length: this.#wish.atOnce }, () => this.#client());
  }

  /** Lets every answer come to its end. */
  async stop(): Promise<readonly Stream[]> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
    clearInterval(this.#watch);
    return this.ended;
  }

  /** At once, whatever streams: for a test that failed. */
  leave(): void {
    this.#isStopped = true;
    clearInterval(this.#watch);
    this.#left.abort();
  }

  /** Backends of the answers that stream now. */
  get streaming(): string[] {
    return [...this.#open].flatMap(one => (one.firstAtMs === undefined ? [] : (one.backend ?? [])));
  }

  /** The fewest that were seen to stream at one time since this was asked last. */
  takeLeast(): number {
    const least = this.#least;
    this.#least = Infinity;
    return least;
  }

  async until(holds: () => boolean, msMax: number): Promise<void> {
    for (const deadline = Date.now() + msMax; !holds(); await sleep(50))
      if (Date.now() > deadline)
        throw new Error(`${this.ended.length} streams ended; it never came to that.`);
  }

  async #client(): Promise<void> {
    const { model, tokens } = this.#wish;
    while (!this.#isStopped) {
      const count = this.#count++;
      const [min, max] = tokens;
      // Spread evenly over the range, the same in every run.
      const length = min + Math.round(((count * 7) % 10) * ((max - min) / 9));
      const dialect = dialects[count % dialects.length] ?? 'ollama';
      const open: Open = { backend: undefined, firstAtMs: undefined };
      this.#open.add(open);
      this.ended.push(await stream(this.#wish, { dialect, model, tokens: length }, open, this.#left.signal));
      this.#open.delete(open);
      // A client that is refused comes again, but not in a loop without end.
      if (this.ended.at(-1)?.end !== 'whole') await sleep(refusedMs);
    }
  }
}

/** One line per answer that was not whole, for the message of a failed test. */
export function told(streams: readonly Stream[], sinceMs: number): string {
  return streams
    .map(one => {
      const at = `${seconds(one.startedAtMs - sinceMs)}..${seconds(one.endedAtMs - sinceMs)} s`;
      return `${one.ask.dialect} ${one.end} on ${one.backend ?? '?'} at ${at}: ${JSON.stringify(one.tail)}`;
    })
    .join('\n');
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

export function figures(streams: readonly Stream[]): string {
  const lengths = streams.map(one => one.endedAtMs - one.startedAtMs).toSorted((a, b) => a - b);
  const waits = streams.map(one => (one.firstAtMs ?? one.endedAtMs) - one.startedAtMs);
  const ends = Object.entries(Object.groupBy(streams, one => one.end));
  const counts = ends.map(([end, some]) => `${some.length} ${end}`).join(', ');
  const middle = seconds(lengths[lengths.length >> 1] ?? 0);
  const longest = seconds(lengths.at(-1) ?? 0);
  return `${counts}; half of them longer than ${middle} s, the longest ${longest} s, the longest wait ${seconds(Math.max(0, ...waits))} s`;
}
