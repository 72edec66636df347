// Sends a trace of chats at its own times and notes when each first token came. Never waits for an answer before the next request.
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface TraceRequest {
  readonly index: number;
  readonly atMs: number;
  readonly model: string;
  readonly tokens: number;
  readonly promptBytes: number;
}

export interface Outcome {
  readonly index: number;
  readonly model: string;
  readonly status: number;
  /** From sending to the first bytes of the answer's body. */
  readonly firstMs: number | undefined;
  readonly totalMs: number;
  /** Pieces that the body came in: one would mean that it was not streamed. */
  readonly pieces: number;
  readonly lines: number;
  /** Why it counts as failed; absent = the whole answer came. */
  readonly failed?: string;
}

export interface Target {
  readonly url: string;
  readonly whole: Whole;
}

const answerMsMax = 300_000;
const errorCharsMax = 200;

/** A router that always loses the last line may still be timed. */
export type Whole = 'with-last-line' | 'without-last-line';

/** Nobody asks twice: a router that ties clients to backends by their address must not take all of them for one. */
function addressOf(index: number): string {
  return `127.1.${(index >> 8) & 255}.${index & 255}`;
}

/** Unlike any other prompt, so that no cache helps; equal for every router, so that the answers are, too. */
function bodyOf(trace: TraceRequest): string {
  const words = `request ${trace.index}: `;
  return JSON.stringify({
    model: trace.model,
    messages: [{ role: 'user', content: words.padEnd(trace.promptBytes, 'tell me more ') }],
    stream: true,
    options: { num_predict: trace.tokens, seed: trace.index },
  });
}

function send(to: Target, agent: Agent, trace: TraceRequest): Promise<Outcome> {
  const sentMs = performance.now();
  const body = bodyOf(trace);
  let firstMs: number | undefined;
  let status = 0;
  let pieces = 0;
  let text = '';
  return new Promise(resolve => {
    const end = (problem?: string): void => {
      const totalMs = performance.now() - sentMs;
      const lines = text.split('\n').filter(line => line !== '').length;
      const failed = problem ?? wrong(status, text, trace, to.whole);
      const outcome = { index: trace.index, model: trace.model, status, firstMs, totalMs, pieces, lines };
      resolve(failed === undefined ? outcome : { ...outcome, failed });
    };
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = httpRequest(`${to.url}/api/chat`, {
      method: 'POST',
      agent,
      localAddress: addressOf(trace.index),
      headers,
      timeout: answerMsMax,
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', error => end(error.message));
    request.on('response', response => {
      status = response.statusCode ?? 0;
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        firstMs ??= performance.now() - sentMs;
        pieces++;
        text += piece;
      });
      response.on('error', error => end(error.message));
      response.on('end', () => end());
    });
    request.end(body);
  });
}

function wrong(status: number, text: string, trace: TraceRequest, whole: Whole): string | undefined {
  if (status !== 200) return `status ${status}: ${text.slice(0, errorCharsMax)}`;
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  if (whole === 'with-last-line' && !last.includes('"done":true'))
    return `cut off after ${text.length} bytes: ${last.slice(0, errorCharsMax)}`;
  const model = /"model": ?"([^"]*)"/.exec(last)?.[1];
  if (model !== trace.model) return `asked for ${trace.model}, answered by ${model ?? 'nobody'}`;
  return undefined;
}

export async function play(to: Target, trace: readonly TraceRequest[]): Promise<Outcome[]> {
  const agent = new Agent({ maxSockets: Infinity });
  const startMs = performance.now();
  const answers: Promise<Outcome>[] = [];
  for (const each of trace) {
    await sleep(Math.max(0, each.atMs - (performance.now() - startMs)));
    answers.push(send(to, agent, each));
  }
  const outcomes = await Promise.all(answers);
  agent.destroy();
  return outcomes;
}
