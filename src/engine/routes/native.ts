// The native inference routes: generate, chat, embed and the old embeddings.
import { randomBytes } from 'node:crypto';
import { acquire, answer } from '../answering.ts';
import { badRequest } from '../core/failure.ts';
import type { AnswerWriter } from '../core/answer.ts';
import { nanoseconds } from '../core/answer.ts';
import { nativeError, nativeWriter } from '../core/native-answer.ts';
import { readChat, readEmbed, readEmbeddings, readGenerate } from '../core/requests.ts';
import type { ChatRequest, EmbedRequest, GenerateRequest } from '../core/requests.ts';
import { normalize } from '../core/vectors.ts';
import type { EngineContext } from '../context.ts';
import { readJson, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { askChat, askGenerate, checkChat, checkGenerate } from '../questions.ts';
import type { Route } from './route.ts';

export const newId = (prefix: string): string => `${prefix}${randomBytes(12).toString('hex')}`;

export const nativeRoutes: readonly Route[] = [
  { method: 'POST', path: '/api/generate', errorShape: nativeError, serve: serveGenerate },
  { method: 'POST', path: '/api/chat', errorShape: nativeError, serve: serveChat },
  { method: 'POST', path: '/api/embed', errorShape: nativeError, serve: serveEmbed },
  { method: 'POST', path: '/api/embeddings', errorShape: nativeError, serve: serveEmbeddings },
];

async function serveGenerate(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readGenerate(await readJson(exchange, 'api.GenerateRequest'));
  await answerGenerate(context, exchange, { request, writer: nativeWriter('generate', request.model) });
}

async function serveChat(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readChat(await readJson(exchange, 'api.ChatRequest'));
  await answerChat(context, exchange, { request, writer: nativeWriter('chat', request.model) });
}

export async function answerChat(
  context: EngineContext,
  exchange: Exchange,
  task: { request: ChatRequest; writer: AnswerWriter },
): Promise<void> {
  const { request } = task;
  if (request.model === '') throw badRequest('model is required');
  const { model } = await context.catalog.open(request.model);
  const asked = { model, asked: request.model };
  checkChat(asked, request);
  await answer(context, exchange, {
    ...task,
    model,
    empty: request.messages.length === 0,
    ask: (lease, options) => askChat({ ...asked, context, lease, options }, request),
  });
}

export async function answerGenerate(
  context: EngineContext,
  exchange: Exchange,
  task: { request: GenerateRequest; writer: AnswerWriter },
): Promise<void> {
  const { request } = task;
  if (request.model === '') throw badRequest('model is required');
  const { model } = await context.catalog.open(request.model);
  const asked = { model, asked: request.model };
  checkGenerate(asked, request);
  await answer(context, exchange, {
    ...task,
    model,
    empty: request.prompt === '' && request.suffix === '',
    ask: (lease, options) => askGenerate({ ...asked, context, lease, options }, request),
  });
}

export interface EmbedAnswer {
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number;
  readonly totalMs: number;
  readonly loadMs: number;
}

export async function embed(
  context: EngineContext,
  exchange: Exchange,
  request: EmbedRequest,
): Promise<EmbedAnswer> {
  if (request.model === '') throw badRequest('model is required');
  const startMs = performance.now();
  const { model } = await context.catalog.open(request.model);
  const { lease } = await acquire(context, exchange, { model, request });
  try {
    const loadMs = performance.now() - startMs;
    const options = { truncate: request.truncate, signal: exchange.signal };
    const { runner } = lease;
    const embedded = await Promise.all(
      request.input.map(text => runner.embedder.embed(runner.tokenize(text), options)),
    );
    const promptTokens = embedded.reduce((sum, one) => sum + one.tokens, 0);
    const vectors = embedded.map(one => one.vector);
    return { vectors, promptTokens, totalMs: performance.now() - startMs, loadMs };
  } finally {
    lease.release();
  }
}

async function serveEmbed(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readEmbed(await readJson(exchange, 'api.EmbedRequest'));
  const found = await embed(context, exchange, request);
  const embeddings = found.vectors.map(vector => normalize(vector, request.dimensions));
  const counts = found.vectors.length === 0 ? {} : embedCounts(found);
  sendJson(exchange, 200, { model: request.model, embeddings, ...counts });
}

function embedCounts(found: EmbedAnswer): Record<string, number> {
  return {
    total_duration: nanoseconds(found.totalMs),
    load_duration: nanoseconds(found.loadMs),
    prompt_eval_count: found.promptTokens,
  };
}

async function serveEmbeddings(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readEmbeddings(await readJson(exchange, 'api.EmbeddingRequest'));
  const found = await embed(context, exchange, request);
  sendJson(exchange, 200, { embedding: found.vectors[0] ?? [] });
}
