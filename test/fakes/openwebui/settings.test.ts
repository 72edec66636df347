// The stand-in for OpenWebUI takes what leads the real one to models, data and sessions, and refuses the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsOf } from './settings.ts';

const ollama = {
  WEBUI_SECRET_KEY: 'a secret',
  ENABLE_OPENAI_API: 'false',
  OLLAMA_BASE_URL: 'http://team-ollama:11434',
};
const openai = {
  WEBUI_SECRET_KEY: 'a secret',
  ENABLE_OLLAMA_API: 'false',
  OPENAI_API_BASE_URL: 'http://team-ollama:11434/v1',
  OPENAI_API_KEY: 'a key',
};

test('each of the two APIs alone is a connection', () => {
  const { api, base, key } = settingsOf(ollama);
  assert.deepEqual([api, base, key], ['ollama', 'http://team-ollama:11434', undefined]);
  const other = settingsOf(openai);
  assert.deepEqual([other.api, other.base, other.key], ['openai', 'http://team-ollama:11434/v1', 'a key']);
});

const refused: readonly (readonly [what: string, environment: Record<string, string>, message: RegExp])[] = [
  [
    'both APIs at once',
    { ...ollama, ...openai, ENABLE_OLLAMA_API: 'true', ENABLE_OPENAI_API: 'true' },
    /one of/,
  ],
  ['no secret key', { ...ollama, WEBUI_SECRET_KEY: '' }, /WEBUI_SECRET_KEY is not set/],
  ['the secret key of the documents', { ...ollama, WEBUI_SECRET_KEY: 't0p-s3cr3t' }, /everybody knows/],
  ['an Ollama address with a path', { ...ollama, OLLAMA_BASE_URL: 'http://a/v1' }, /has a path/],
  ['an OpenAI address without /v1', { ...openai, OPENAI_API_BASE_URL: 'http://a' }, /end with \/v1/],
  ['an OpenAI address without a key', { ...openai, OPENAI_API_KEY: '' }, /OPENAI_API_KEY is not set/],
  ['several addresses', { ...ollama, OLLAMA_BASE_URLS: 'http://a;http://b' }, /names several/],
  [
    'a port that a Service of its name made',
    { ...ollama, PORT: 'tcp://10.96.0.9:8080' },
    /PORT is no number/,
  ],
];
for (const [what, environment, message] of refused)
  test(`${what} is refused`, () => assert.throws(() => settingsOf(environment), message));
