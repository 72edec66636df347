// A stand-in for OpenWebUI: starts with the variables and folders that the real one would start with, and with no other.
// Never runs a model: what it is asked, it asks the servers that its variables name.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { acceptSocket } from './socket.ts';
import { ConfigError, settingsOf, type Settings } from './settings.ts';

const bodyBytesMax = 1 << 20;

/** The real one keeps users and chats in this file, and copies its pictures into the other folder (config.py, STATIC_DIR). */
function openData({ dataDir, staticDir }: Settings): DatabaseSync {
  try {
    mkdirSync(staticDir, { recursive: true });
    const database = new DatabaseSync(path.join(dataDir, 'webui.db'));
    database.exec('CREATE TABLE IF NOT EXISTS chats (id INTEGER PRIMARY KEY, text TEXT)');
    return database;
  } catch (error) {
    throw new ConfigError(`nothing can be kept: ${(error as Error).message}`);
  }
}

const settings = settingsOf(process.env);
const database = openData(settings);

/** A session of the real one is a token signed with WEBUI_SECRET_KEY (utils/auth.py). */
const signed = (user: string): string =>
  `${user}.${createHmac('sha256', settings.secretKey).update(user).digest('base64url')}`;

function userOf(request: IncomingMessage): string | undefined {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const user = token.replace(/\.[^.]*$/, '');
  const [given, wanted] = [Buffer.from(token), Buffer.from(signed(user))];
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? user : undefined;
}

const headers = {
  'content-type': 'application/json',
  ...(settings.key === undefined ? {} : { authorization: `Bearer ${settings.key}` }),
};

/** routers/ollama.py and routers/openai.py, get_all_models. */
async function models(): Promise<string[]> {
  const url = settings.api === 'ollama' ? `${settings.base}/api/tags` : `${settings.base}/models`;
  const answer = await fetch(url, { headers });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const body = (await answer.json()) as { models?: { model: string }[]; data?: { id: string }[] };
  return [...(body.models ?? []).map(({ model }) => model), ...(body.data ?? []).map(({ id }) => id)];
}

async function chat(body: Record<string, unknown>, response: ServerResponse): Promise<void> {
  database.prepare('INSERT INTO chats (text) VALUES (?)').run(JSON.stringify(body['messages']));
  const route = settings.api === 'ollama' ? '/api/chat' : '/chat/completions';
  const request = { method: 'POST', headers, body: JSON.stringify({ ...body, stream: true }) };
  const answer = await fetch(settings.base + route, request);
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
  for await (const chunk of answer.body ?? []) response.write(chunk);
  response.end();
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) if ((text += String(chunk)).length > bodyBytesMax) break;
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (value: unknown, status = 200): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const body = await bodyOf(request);
  if (request.url === '/health') return send({ status: true });
  if (request.url === '/api/v1/auths/signin') return send({ token: signed(randomBytes(4).toString('hex')) });
  if (userOf(request) === undefined) return send({ detail: '401 Unauthorized' }, 401);
  if (request.url === '/api/models') return send({ data: await models() });
  if (request.url === '/api/chat/completions') return chat(body, response);
  const chats = database.prepare('SELECT text FROM chats ORDER BY id').all();
  if (request.url === '/api/v1/chats/') return send(chats.map(row => row['text']));
  send({ detail: 'Not Found' }, 404);
}

process.on('SIGTERM', () => process.exit(0));
createServer((request, response) => {
  answer(request, response).catch(error => response.writeHead(502).end(String(error)));
})
  .on('upgrade', acceptSocket)
  .listen(settings.port, '0.0.0.0', () => console.log(`Uvicorn running on http://0.0.0.0:${settings.port}`));
