// What a contract case is given: one running implementation and how to talk to it. Never knows which one it is but by `kind`.
import assert from 'node:assert/strict';
import { until } from '../tools/until.ts';

export type Kind = 'fake' | 'ollama' | 'engine';
export type Way = 'direct' | 'gateway';

export interface Target {
  readonly kind: Kind;
  readonly way: Way;
  readonly url: string;
  /** A model that chats, loaded with one thread. */
  readonly model: string;
  /** Begins the name of every model that cases make here. */
  readonly prefix: string;
}

/** A reason not to run, by implementation or by way; `kind/way` is the narrowest. */
export type Skips = Partial<Record<Kind | Way | `${Kind}/${Way}`, string>>;

export interface Case {
  readonly name: string;
  readonly skip?: Skips;
  readonly run: (target: Target) => Promise<void>;
}

export function skipReason(each: Case, target: Pick<Target, 'kind' | 'way'>): string | undefined {
  return each.skip?.[`${target.kind}/${target.way}`] ?? each.skip?.[target.kind] ?? each.skip?.[target.way];
}

/** Few tokens, always the same ones. */
export const small = { num_predict: 8, temperature: 0, seed: 7 } as const;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export type Json = Record<string, unknown>;

const answerMsMax = 60_000;

export async function send(target: Target, method: string, path: string, body?: unknown): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(target.url + path, {
    method,
    signal: AbortSignal.timeout(answerMsMax),
    ...(body === undefined
      ? {}
      : { body: raw as NonNullable<RequestInit['body']>, headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

export async function post(target: Target, path: string, body: unknown): Promise<Answer> {
  return send(target, 'POST', path, body);
}

export async function get(target: Target, path: string): Promise<Json> {
  const answer = await send(target, 'GET', path);
  assert.equal(answer.status, 200, `${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
  return JSON.parse(answer.text) as Json;
}

/** POST that must succeed with one JSON value. */
export async function ask(target: Target, path: string, body: unknown): Promise<Json> {
  const answer = await post(target, path, body);
  assert.equal(answer.status, 200, `${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
  return JSON.parse(answer.text) as Json;
}

/** POST that must succeed with NDJSON. */
export async function askLines(target: Target, path: string, body: unknown): Promise<Json[]> {
  const answer = await post(target, path, body);
  assert.equal(answer.status, 200, `${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
  return linesOf(answer.text);
}

export function linesOf(text: string): Json[] {
  assert.ok(text.endsWith('\n'), 'the last line is complete');
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Json);
}

export interface ServerEvent {
  readonly event: string | undefined;
  readonly data: string;
}

/** POST that must succeed with server-sent events. */
export async function askEvents(target: Target, path: string, body: unknown): Promise<ServerEvent[]> {
  const answer = await post(target, path, body);
  assert.equal(answer.status, 200, `${path} answered ${answer.status}: ${answer.text.slice(0, 300)}`);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/);
  return answer.text
    .split('\n\n')
    .filter(block => block !== '')
    .map(block => ({
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: /^data: (.*)$/m.exec(block)?.[1] ?? '',
    }));
}

/** Answered with this status and a message in Ollama's, OpenAI's or Anthropic's shape. */
export function assertError(answer: Answer, status: number, message: RegExp): void {
  assert.equal(answer.status, status, answer.text.slice(0, 300));
  assert.match(messageOf(answer.text), message);
}

export function messageOf(text: string): string {
  const { error } = JSON.parse(text) as { error?: unknown };
  if (typeof error === 'string') return error;
  const { message } = error as { message?: unknown };
  assert.equal(typeof message, 'string', `an error holds a message: ${text.slice(0, 200)}`);
  return message as string;
}

export const field = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Record<string | number, unknown> | undefined)?.[key], value);

export const textAt = (value: unknown, ...path: readonly (string | number)[]): string => {
  const found = field(value, ...path);
  assert.equal(
    typeof found,
    'string',
    `${path.join('.')} is a text in ${JSON.stringify(value).slice(0, 300)}`,
  );
  return found as string;
};

export async function runnerOf(target: Target, model: string): Promise<Json | undefined> {
  const { models } = (await get(target, '/api/ps')) as { models: Json[] };
  return models.find(each => each['name'] === model);
}

export async function unload(target: Target, model = target.model): Promise<void> {
  await ask(target, '/api/generate', { model, keep_alive: 0, stream: false });
  await until(`${model} is unloaded`, async () => (await runnerOf(target, model)) === undefined);
}
