// A stand-in for Tabby: starts with the configuration, folder and arguments that the real one would start with, and with no other.
// Never runs a model: what it is asked, it asks the servers of its configuration.
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { ConfigError, readConfig, type ModelSettings, type TabbyConfig } from './config.ts';

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const bodyBytesMax = 1 << 20;

/** crates/tabby/src/serve.rs, ServeArgs; clap refuses what it does not know. */
function listenAt(args: readonly string[]): { host: string; port: number } {
  const options = {
    host: { type: 'string', default: '0.0.0.0' },
    port: { type: 'string', default: '8080' },
    device: { type: 'string', default: 'cpu' },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (positionals.join(' ') !== 'serve') throw new ConfigError('the only command here is serve');
  return { host: values.host, port: Number(values.port) };
}

/** crates/tabby/src/main.rs: the folder is made, and its mode is set, which only its owner may. */
function openRoot(environment: NodeJS.ProcessEnv): { config: TabbyConfig; database: DatabaseSync } {
  const root = environment['TABBY_ROOT'] ?? path.join(environment['HOME'] ?? '/root', '.tabby');
  const config = readConfig(readFileSync(path.join(root, 'config.toml'), 'utf8'));
  mkdirSync(root, { recursive: true });
  chmodSync(root, 0o700);
  mkdirSync(path.join(root, 'ee'), { recursive: true });
  // ee/tabby-webserver/src/path.rs
  const database = new DatabaseSync(path.join(root, 'ee', 'db.sqlite'));
  database.exec('CREATE TABLE IF NOT EXISTS completions (id INTEGER PRIMARY KEY, prefix TEXT)');
  return { config, database };
}

/** ee/tabby-webserver/src/jwt.rs: another form ends it, none gives a secret that ends with the process. */
function jwtSecret(environment: NodeJS.ProcessEnv): string {
  const secret = environment['TABBY_WEBSERVER_JWT_TOKEN_SECRET'];
  if (secret === undefined) throw new ConfigError('JWT secret is not set: nobody stays signed in');
  if (!uuid.test(secret)) throw new ConfigError('JWT token secret needs to be in standard uuid format');
  return secret;
}

async function asked(at: ModelSettings, route: string, body: object): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    ...(at.key === undefined ? {} : { authorization: `Bearer ${at.key}` }),
  };
  const url = `${at.endpoint.replace(/\/$/, '')}${route}`;
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** crates/ollama-api-bindings/src/model.rs: a model that is not there ends it, before it listens. */
async function checkModel(at: ModelSettings): Promise<void> {
  if (!at.kind.startsWith('ollama/')) return;
  const answer = await asked(at, '/api/show', { name: at.model });
  if (answer.ok) return;
  throw new ConfigError(`Model is not available, and pulling is disabled: ${(await answer.text()).trim()}`);
}

async function complete({ completion: at }: TabbyConfig, prefix: string, suffix: string): Promise<string> {
  if (at.kind === 'ollama/completion') {
    const prompt = (at.template ?? '').replace('{prefix}', prefix).replace('{suffix}', suffix);
    const options = { num_predict: 64, repeat_last_n: 0 };
    const body = { model: at.model, prompt, template: '{{ .Prompt }}', options, stream: false };
    return textOf(await asked(at, '/api/generate', body), 'response');
  }
  const body = { model: at.model, prompt: prefix, suffix, max_tokens: 64, stream: false };
  return textOf(await asked(at, '/completions', body), 'choices');
}

async function chat({ chat: at }: TabbyConfig, messages: unknown): Promise<string> {
  return textOf(
    await asked(at, '/chat/completions', { model: at.model, messages, stream: false }),
    'choices',
  );
}

async function embed({ embedding: at }: TabbyConfig, text: string): Promise<number> {
  const isOllama = at.kind === 'ollama/embedding';
  const body = isOllama ? { model: at.model, prompt: text } : { model: at.model, input: [text] };
  const answer = await asked(at, isOllama ? '/api/embeddings' : '/embeddings', body);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const found = (await answer.json()) as { embedding?: number[]; data?: { embedding: number[] }[] };
  return (found.embedding ?? found.data?.[0]?.embedding ?? []).length;
}

async function textOf(answer: Response, field: string): Promise<string> {
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return JSON.stringify(((await answer.json()) as Record<string, unknown>)[field]);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) if ((text += String(chunk)).length > bodyBytesMax) break;
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

const { host, port } = listenAt(process.argv.slice(2));
const secret = jwtSecret(process.env);
const { config, database } = openRoot(process.env);
for (const at of [config.embedding, config.completion]) await checkModel(at);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (value: unknown): void =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const body = await bodyOf(request);
  switch (request.url) {
    case '/v1/health':
      return send({ model: config.completion.model, chat_model: config.chat.model, device: 'cpu' });
    case '/v1/completions': {
      const { prefix = '', suffix = '' } = (body['segments'] ?? {}) as { prefix?: string; suffix?: string };
      database.prepare('INSERT INTO completions (prefix) VALUES (?)').run(prefix);
      return send({ text: await complete(config, prefix, suffix) });
    }
    case '/v1/chat/completions':
      return send({ text: await chat(config, body['messages']) });
    // Of this stand-in alone: what the test wants to know.
    case '/stand-in': {
      const kept = database.prepare('SELECT prefix FROM completions ORDER BY id').all();
      return send({ kept: kept.map(row => row['prefix']), secret, embedding: await embed(config, 'text') });
    }
    default:
      return void response.writeHead(404).end();
  }
}

process.on('SIGTERM', () => process.exit(0));
createServer((request, response) => {
  answer(request, response).catch(error => response.writeHead(502).end(String(error)));
}).listen(port, host, () => console.log(`Listening at http://${host}:${port}`));
