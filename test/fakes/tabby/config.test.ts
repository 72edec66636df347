// The stand-in for Tabby takes the configurations that the real one starts with, and refuses the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

const chat = '[model.chat.http]\nkind = "openai/chat"\nmodel_name = "m"\napi_endpoint = "http://a/v1"\n';
const embedding =
  '[model.embedding.http]\nkind = "ollama/embedding"\nmodel_name = "m"\napi_endpoint = "http://a:11434"\n';
const completion = (lines: string): string => `[model.completion.http]\nmodel_name = "m"\n${lines}\n`;
const ollama = completion(
  'kind = "ollama/completion"\napi_endpoint = "http://a"\nprompt_template = "<P>{prefix}<S>{suffix}<M>"',
);
const openai = completion('kind = "openai/completion"\napi_endpoint = "http://a/v1"\napi_key = "k"');

test("Ollama's API with a template, and OpenAI's with a key, are read", () => {
  assert.equal(readConfig(ollama + chat + embedding).completion.template, '<P>{prefix}<S>{suffix}<M>');
  assert.equal(readConfig(openai + chat + embedding).completion.key, 'k');
});

const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['no embedding', ollama + chat, /\[model\.embedding\.http\] is missing/],
  ['an unknown kind', ollama.replace('ollama/', 'olama/') + chat + embedding, /Unsupported model kind/],
  ['an unknown field', `${ollama}temperature = "1"\n${chat}${embedding}`, /knows no temperature/],
  ['no model', ollama.replace('model_name = "m"\n', '') + chat + embedding, /lacks model_name/],
  ["Ollama's API with /v1", ollama.replace('http://a"', 'http://a/v1"') + chat + embedding, /cannot call/],
  ["OpenAI's API without /v1", openai.replace('/v1', '') + chat + embedding, /cannot call/],
  ["a key that Ollama's API is not given", `${ollama}api_key = "k"\n${chat}${embedding}`, /not send the key/],
  ['no template', ollama.replace(/prompt_template.*\n/, '') + chat + embedding, /needs a prompt_template/],
  ['a template without the suffix', ollama.replace('{suffix}', '') + chat + embedding, /prompt_template/],
  ['what is not TOML', `${ollama}model_name: m\n`, /not TOML/],
];
for (const [what, text, message] of refused)
  test(`${what} is refused`, () => assert.throws(() => readConfig(text), message));
