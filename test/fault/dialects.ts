// One streamed question in each dialect, and how to tell a complete answer, an explicit error and a silent cut apart.

export interface Reading {
  readonly complete: boolean;
  /** Message of an error in the dialect's own form at the end; undefined = none. */
  readonly error: string | undefined;
}

export interface DialectCase {
  readonly name: string;
  readonly path: string;
  readonly body: (model: string, stream: boolean) => string;
  readonly readStream: (text: string) => Reading;
  /** Message of a whole answer that is an error. */
  readonly readError: (text: string) => string | undefined;
}

const messages = [{ role: 'user', content: 'Tell me about the sea.' }];

interface ErrorBody {
  readonly error?: string | { readonly message?: string };
}

function jsonOf(text: string): ErrorBody & { readonly done?: boolean; readonly type?: string } {
  try {
    return JSON.parse(text) as ErrorBody;
  } catch {
    return {};
  }
}

function messageOf(body: ErrorBody): string | undefined {
  return typeof body.error === 'string' ? body.error : body.error?.message;
}

function dataLines(text: string): string[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(match => match[1] ?? '');
}

export const DIALECTS: readonly DialectCase[] = [
  {
    name: 'Ollama',
    path: '/api/chat',
    body: (model, stream) =>
      JSON.stringify({ model, messages, stream, options: { seed: 1, num_predict: 60 } }),
    readStream: text => {
      const last = jsonOf(text.trimEnd().split('\n').at(-1) ?? '');
      return { complete: last.done === true, error: messageOf(last) };
    },
    readError: text => messageOf(jsonOf(text)),
  },
  {
    name: 'OpenAI',
    path: '/v1/chat/completions',
    body: (model, stream) => JSON.stringify({ model, messages, stream, seed: 1, max_tokens: 60 }),
    readStream: text => {
      const last = dataLines(text).at(-1) ?? '';
      return { complete: last === '[DONE]', error: messageOf(jsonOf(last)) };
    },
    readError: text => messageOf(jsonOf(text)),
  },
  {
    name: 'Anthropic',
    path: '/v1/messages',
    body: (model, stream) => JSON.stringify({ model, messages, stream, max_tokens: 60 }),
    readStream: text => {
      const last = jsonOf(dataLines(text).at(-1) ?? '');
      return {
        complete: last.type === 'message_stop',
        error: last.type === 'error' ? messageOf(last) : undefined,
      };
    },
    readError: text => (jsonOf(text).type === 'error' ? messageOf(jsonOf(text)) : undefined),
  },
];
