// Which method and path the fake serves, in which dialect, and with which Go type its body is read.
import type { Call } from './context.ts';
import { chat, embed, embeddings, generate } from './native.ts';
import { copy, create, headBlob, ps, pull, push, putBlob, remove, show, tags } from './models.ts';
import { chatCompletions, completions, embeddingsV1, modelsV1, modelV1 } from './openai.ts';
import { responses } from './responses.ts';
import { messages } from './anthropic.ts';

export type FakeDialect = 'ollama' | 'openai' | 'anthropic';

export interface FakeRoute {
  readonly methods: readonly string[];
  /** A last part `:name` takes the rest of the path. */
  readonly path: string;
  readonly dialect: FakeDialect;
  /** Name of the body's Go type; absent = the handler reads the body itself or there is none. */
  readonly struct?: string;
  readonly handle: (call: Call) => void | Promise<void>;
}

function running(call: Call): void {
  call.out.full(200, 'Ollama is running', 'text/plain; charset=utf-8');
}

function version(call: Call): void {
  call.out.json(200, { version: call.fake.options.version });
}

const read = ['GET', 'HEAD'];
const route = (
  methods: readonly string[],
  path: string,
  handle: FakeRoute['handle'],
  struct?: string,
): FakeRoute => ({
  methods,
  path,
  dialect: path.startsWith('/v1/messages') ? 'anthropic' : path.startsWith('/v1') ? 'openai' : 'ollama',
  handle,
  ...(struct === undefined ? {} : { struct }),
});

const ROUTES: readonly FakeRoute[] = [
  route(read, '/', running),
  route(read, '/api/version', version),
  route(['GET'], '/api/status', call => call.out.json(200, { cloud: { disabled: false, source: 'none' } })),
  route(read, '/api/tags', tags),
  route(['GET'], '/api/ps', ps),
  route(['POST'], '/api/show', show, 'ShowRequest'),
  route(['POST'], '/api/generate', generate, 'GenerateRequest'),
  route(['POST'], '/api/chat', chat, 'ChatRequest'),
  route(['POST'], '/api/embed', embed, 'EmbedRequest'),
  route(['POST'], '/api/embeddings', embeddings, 'EmbeddingRequest'),
  route(['POST'], '/api/create', create, 'CreateRequest'),
  route(['POST'], '/api/copy', copy, 'CopyRequest'),
  route(['DELETE'], '/api/delete', remove, 'DeleteRequest'),
  route(['POST'], '/api/pull', pull, 'PullRequest'),
  route(['POST'], '/api/push', push, 'PushRequest'),
  route(['HEAD'], '/api/blobs/:digest', headBlob),
  route(['POST'], '/api/blobs/:digest', putBlob),
  route(['POST'], '/api/me', call => call.out.json(503, { error: 'account unavailable' })),
  route(['POST'], '/v1/chat/completions', chatCompletions, 'ChatCompletionRequest'),
  route(['POST'], '/v1/completions', completions, 'CompletionRequest'),
  route(['POST'], '/v1/embeddings', embeddingsV1, 'EmbedRequest'),
  route(['GET'], '/v1/models', modelsV1),
  route(['GET'], '/v1/models/:model', modelV1),
  route(['POST'], '/v1/responses', responses, 'ResponsesRequest'),
  route(['POST'], '/v1/messages', messages, 'MessagesRequest'),
];

export interface Match {
  readonly route: FakeRoute | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Methods that the path has, when it has any. */
  readonly allowed: readonly string[];
}

export function matchRoute(method: string, path: string): Match {
  const allowed: string[] = [];
  for (const each of ROUTES) {
    const params = paramsOf(each.path, path);
    if (params === undefined) continue;
    if (each.methods.includes(method)) return { route: each, params, allowed: each.methods };
    allowed.push(...each.methods);
  }
  return { route: undefined, params: {}, allowed };
}

function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const colon = pattern.indexOf(':');
  if (colon < 0) return pattern === path ? {} : undefined;
  const rest = path.slice(colon);
  if (!path.startsWith(pattern.slice(0, colon)) || rest === '' || rest.includes('/')) return undefined;
  return { [pattern.slice(colon + 1)]: decoded(rest) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
