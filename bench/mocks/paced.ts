// A mock Ollama whose chats are written at a fixed pace by one timer, as raw bytes, so that it costs little beside what it measures.
// Usage: node bench/mocks/paced.ts CHUNKS INTERVAL-MS. Never parses a body: every POST of a chat gets the same stream.
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

const headEnd = '\r\n\r\n';
const digest = 'a'.repeat(64);
const model = `"name":"m:latest","model":"m:latest","size":1000,"digest":"${digest}","details":{"format":"gguf","family":"llama"}`;
const lists: Readonly<Record<string, string>> = {
  '/api/version': '{"version":"0.24.0"}',
  '/api/tags': `{"models":[{${model},"modified_at":"2026-01-01T00:00:00Z"}]}`,
  '/api/ps': `{"models":[{${model},"size_vram":0,"expires_at":"2099-01-01T00:00:00Z","context_length":4096}]}`,
  '/api/show': `{"modelfile":"FROM /x/sha256-${'b'.repeat(64)}","parameters":"","capabilities":["completion"]}`,
  '/api/generate': '{"model":"m:latest","response":"","done":true,"done_reason":"load"}',
};

const [chunks = 200, intervalMs = 5] = process.argv.slice(2).map(Number);

function chunked(line: string): string {
  return `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`;
}

const said = '"model":"m:latest","created_at":"2026-11-21T10:00:00.000000000Z"';
const token = Buffer.from(
  chunked(`{${said},"message":{"role":"assistant","content":" token"},"done":false}\n`),
);
const last = `{${said},"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1000000000,"load_duration":0,"prompt_eval_count":10,"prompt_eval_duration":0,"eval_count":${chunks},"eval_duration":1000000000}\n`;
const end = Buffer.from(`${chunked(last)}0\r\n\r\n`);
const head = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n',
);

interface Stream {
  readonly startMs: number;
  told: number;
}

const streams = new Map<Socket, Stream>();

/** What is late comes at once, but always as writes of their own: a proxy gets no rest from a mock that fell behind. */
function tell(socket: Socket, stream: Stream, nowMs: number): void {
  const due = Math.min(chunks, Math.floor((nowMs - stream.startMs) / intervalMs));
  while (stream.told < due) {
    stream.told++;
    socket.write(stream.told === chunks ? end : token);
  }
  if (stream.told === chunks) streams.delete(socket);
}

function answer(socket: Socket, path: string): void {
  if (path === '/api/chat') {
    socket.write(head);
    streams.set(socket, { startMs: performance.now(), told: 0 });
    return;
  }
  const body = lists[path] ?? '{}';
  const status = lists[path] === undefined ? '404 Not Found' : '200 OK';
  const length = Buffer.byteLength(body);
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${length}${headEnd}${body}`,
  );
}

/** Requests come one at a time on a connection; their bodies have a length, as proxies send them. */
function onConnection(socket: Socket): void {
  let text = '';
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  socket.on('error', () => streams.delete(socket));
  socket.on('close', () => streams.delete(socket));
  socket.on('data', (piece: string) => {
    text += piece;
    const at = text.indexOf(headEnd);
    if (at < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, at))?.[1] ?? 0);
    if (text.length < at + headEnd.length + length) return;
    const path = text.split(' ', 2)[1] ?? '/';
    text = '';
    answer(socket, path);
  });
}

/** A gateway takes at most 256 places per backend, so one mock is several backends. */
const addresses = 8;

async function listen(): Promise<string> {
  const server = createServer(onConnection);
  await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const urls = await Promise.all(Array.from({ length: addresses }, listen));
process.stdout.write(`${JSON.stringify({ event: 'ready', url: urls[0], urls })}\n`);
setInterval(
  () => {
    const nowMs = performance.now();
    for (const [socket, stream] of streams) tell(socket, stream, nowMs);
  },
  Math.min(intervalMs, 50),
);
process.once('SIGTERM', () => process.exit(0));
