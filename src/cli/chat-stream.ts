// One streamed answer of /api/chat onto the terminal. Never keeps history.
import type { App } from './app.ts';
import { type Client, errorText, type JsonObject } from './client.ts';
import { CliError } from './exit.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatAsk {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Collect only. */
  readonly isSilent?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface AnswerEnd {
  readonly model: string;
  readonly text: string;
  readonly doneReason: string;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly evalMs: number;
  readonly durationMs: number;
  readonly backend: string | undefined;
  readonly reason: string | undefined;
}

const nsPerMs = 1e6;

export async function streamChat(app: App, client: Client, ask: ChatAsk): Promise<AnswerEnd> {
  const answer = await client.lines({
    path: '/api/chat',
    body: { model: ask.model, messages: ask.messages, stream: true },
    ...(ask.headers === undefined ? {} : { headers: ask.headers }),
    ...(ask.signal === undefined ? {} : { signal: ask.signal }),
  });
  const reader = new AnswerReader(app, ask.isSilent === true);
  for await (const line of answer.lines) await reader.take(line);
  return reader.end(header(answer.headers['x-bigo-backend']), header(answer.headers['x-bigo-reason']));
}

class AnswerReader {
  readonly #app: App;
  readonly #isSilent: boolean;
  #text = '';
  #isThinking = false;
  #last: JsonObject | undefined;

  constructor(app: App, isSilent: boolean) {
    this.#app = app;
    this.#isSilent = isSilent;
  }

  async take(line: string): Promise<void> {
    if (line.trim() === '') return;
    const part = parseLine(line);
    // The error that explains a line that was cut comes after it.
    if (part === undefined) return;
    const error = errorText(part);
    if (error !== undefined) throw new CliError(this.#text === '' ? error : `the answer broke off: ${error}`);
    const message = (part.message ?? {}) as JsonObject;
    this.#think(message.thinking);
    if (typeof message.content === 'string' && message.content !== '') await this.#say(message.content);
    if (part.done === true) this.#last = part;
  }

  end(backend: string | undefined, reason: string | undefined): AnswerEnd {
    const last = this.#last;
    if (last === undefined) throw new CliError('the answer broke off before its end', { next: 'Ask again.' });
    return {
      model: String(last.model),
      text: this.#text,
      doneReason: typeof last.done_reason === 'string' ? last.done_reason : 'stop',
      promptTokens: numberOf(last.prompt_eval_count),
      tokens: numberOf(last.eval_count),
      evalMs: numberOf(last.eval_duration) / nsPerMs,
      durationMs: Math.round(numberOf(last.total_duration) / nsPerMs),
      backend,
      reason,
    };
  }

  /** Thoughts go beside the answer, so that a pipe gets the answer alone. */
  #think(thinking: unknown): void {
    if (typeof thinking !== 'string' || thinking === '' || this.#isSilent) return;
    this.#isThinking = true;
    this.#app.terminal.draw(this.#app.terminal.paintErr('dim', harmless(thinking)));
  }

  async #say(content: string): Promise<void> {
    if (this.#isThinking) this.#app.terminal.draw('\n\n');
    this.#isThinking = false;
    this.#text += content;
    if (!this.#isSilent)
      await this.#app.terminal.write(this.#app.terminal.isTty ? harmless(content) : content);
  }
}

/** A model may write escape codes; they must not drive the terminal. */
function harmless(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** undefined = the line is cut short. */
function parseLine(line: string): JsonObject | undefined {
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    if (line.startsWith('{')) return undefined;
    throw new CliError('the answer is not JSON', { next: 'Is this the address of BigO or Ollama?' });
  }
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
