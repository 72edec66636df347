// The OpenAI and Anthropic routes: each turns its request into a native one and writes the answer in its dialect.
import { anthropicError, AnthropicWriter } from '../core/anthropic-answer.ts';
import { readAnthropic } from '../core/anthropic-request.ts';
import { EngineFailure } from '../core/failure.ts';
import { capabilitiesOf, tagsOf } from '../core/model.ts';
import {
  openAiChatWriter,
  openAiCompletionWriter,
  openAiEmbeddings,
  openAiError,
  openAiModel,
  openAiModels,
} from '../core/openai-answer.ts';
import { readOpenAiChat, readOpenAiCompletion, readOpenAiEmbed } from '../core/openai-request.ts';
import type { ChatRequest } from '../core/requests.ts';
import { ResponsesWriter } from '../core/responses-answer.ts';
import { readResponses } from '../core/responses-request.ts';
import { normalize, packFloats } from '../core/vectors.ts';
import type { EngineContext } from '../context.ts';
import { readJson, sendJson } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { answerChat, answerGenerate, embed, newId } from './native.ts';
import type { Route } from './route.ts';
import type { JsonObject } from '../core/json.ts';

const anthropicFailure = (status: number, message: string): JsonObject =>
  anthropicError(newId('req_'))(status, message);

export const compatibleRoutes: readonly Route[] = [
  { method: 'POST', path: '/v1/chat/completions', errorShape: openAiError, serve: serveChat },
  { method: 'POST', path: '/v1/completions', errorShape: openAiError, serve: serveCompletion },
  { method: 'POST', path: '/v1/embeddings', errorShape: openAiError, serve: serveEmbeddings },
  { method: 'GET', path: '/v1/models', errorShape: openAiError, serve: serveModels },
  { method: 'GET', path: '/v1/models/*model', errorShape: openAiError, serve: serveModel },
  { method: 'POST', path: '/v1/responses', errorShape: openAiError, serve: serveResponses },
  { method: 'POST', path: '/v1/audio/transcriptions', errorShape: openAiError, serve: refuseAudio },
  { method: 'POST', path: '/v1/messages', errorShape: anthropicFailure, serve: serveMessages },
];

async function serveChat(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readOpenAiChat(await readJson(exchange, 'openai.ChatCompletionRequest'));
  const { model, includeUsage } = request;
  const writer = openAiChatWriter({ model, includeUsage, id: newId('chatcmpl-') });
  await answerChat(context, exchange, { request, writer });
}

async function serveCompletion(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readOpenAiCompletion(await readJson(exchange, 'openai.CompletionRequest'));
  const { model, includeUsage } = request;
  const writer = openAiCompletionWriter({ model, includeUsage, id: newId('cmpl-') });
  await answerGenerate(context, exchange, { request, writer });
}

async function serveResponses(context: EngineContext, exchange: Exchange): Promise<void> {
  const { chat, echo } = readResponses(await readJson(exchange, 'openai.ResponsesRequest'));
  const ids = { responseId: newId('resp_'), itemId: newId('msg_') };
  const writer = new ResponsesWriter({ model: chat.model, echo, ...ids });
  await answerChat(context, exchange, { request: chat, writer });
}

async function refuseAudio(): Promise<never> {
  throw new EngineFailure(
    501,
    'audio is not supported by the embedded engine: use Ollama with a model that hears',
  );
}

async function serveMessages(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readAnthropic(await readJson(exchange, 'anthropic.MessagesRequest'));
  const relaxed = await withoutUselessThinking(context, request);
  const writer = new AnthropicWriter({ model: request.model, id: newId('msg_') });
  await answerChat(context, exchange, { request: relaxed, writer });
}

/** Clients of this dialect always ask for thinking; Ollama forgives them where the model has none. */
async function withoutUselessThinking(context: EngineContext, request: ChatRequest): Promise<ChatRequest> {
  const { model } = await context.catalog.open(request.model);
  return capabilitiesOf(model.facts).includes('thinking') ? request : { ...request, think: undefined };
}

async function serveEmbeddings(context: EngineContext, exchange: Exchange): Promise<void> {
  const request = readOpenAiEmbed(await readJson(exchange, 'openai.EmbedRequest'));
  const found = await embed(context, exchange, request);
  const vectors = found.vectors
    .map(vector => normalize(vector, request.dimensions))
    .map(vector =>
      request.encoding === 'base64' ? Buffer.from(packFloats(vector)).toString('base64') : vector,
    );
  sendJson(
    exchange,
    200,
    openAiEmbeddings({ model: request.model, vectors, promptTokens: found.promptTokens }),
  );
}

async function serveModels(context: EngineContext, exchange: Exchange): Promise<void> {
  const tags = tagsOf(await context.catalog.list());
  sendJson(exchange, 200, openAiModels(tags['models'] as readonly JsonObject[]));
}

async function serveModel(context: EngineContext, exchange: Exchange): Promise<void> {
  const { model } = await context.catalog.open(exchange.parameter);
  sendJson(exchange, 200, openAiModel(exchange.parameter, model.modifiedAt));
}
