// Calls to the manager's API: where it is, the key of this browser session, errors in words. Never keeps a key beyond the session.

const KEY = 'bigo.key';
const base = location.pathname.startsWith('/ui') ? '/manager/api' : '/api';

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly next: string;

  constructor(status: number, body: { error?: string; code?: string; next?: string }) {
    super(body.error ?? `The manager answered ${status}.`);
    this.status = status;
    this.code = body.code ?? '';
    this.next = body.next ?? '';
  }
}

export function savedKey(): string {
  return sessionStorage.getItem(KEY) ?? '';
}

export function saveKey(key: string): void {
  if (key === '') sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, key);
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: object;
  readonly signal?: AbortSignal;
}

export async function open(path: string, ask: Ask = {}): Promise<Response> {
  const key = savedKey();
  const response = await fetch(base + path, {
    method: ask.method ?? (ask.body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(key !== '' && { authorization: `Bearer ${key}` }),
      ...(ask.body !== undefined && { 'content-type': 'application/json' }),
    },
    cache: 'no-store',
    ...(ask.body !== undefined && { body: JSON.stringify(ask.body) }),
    ...(ask.signal && { signal: ask.signal }),
  }).catch((error: Error) => {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, {
      error: 'BigO does not answer.',
      next: 'Is it running? The page tries again by itself.',
    });
  });
  if (response.ok) return response;
  throw new ApiError(response.status, (await response.json().catch(() => ({}))) as object);
}

export async function ask<Answer>(path: string, wish: Ask = {}): Promise<Answer> {
  return (await (await open(path, wish)).json()) as Answer;
}

/** Complete lines of a body, as they come. */
export async function* lines(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
    if (rest !== '') yield rest;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
