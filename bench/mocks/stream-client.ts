// Many chats at once, each on a connection of its own, one after the other; prints how long each took, as one JSON line.
// Usage: node bench/mocks/stream-client.ts URL STREAMS SECONDS. Never looks at an answer but for its last line.
import { createConnection } from 'node:net';

const warmUpMs = 1_500;
const spreadMs = 1_000;

const [url = '', streamsText = '1', secondsText = '5'] = process.argv.slice(2);
const { host, hostname, port } = new URL(url);
const count = Number(streamsText);
const endMs = performance.now() + spreadMs + warmUpMs + Number(secondsText) * 1000;
const measureMs = performance.now() + spreadMs + warmUpMs;

const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'go on' }] });
const request = `POST /api/chat HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

const took: number[] = [];
let broken = 0;
let ended = 0;
let open = count;

function oneEnds(): void {
  if (--open > 0) return;
  process.stdout.write(`${JSON.stringify({ took, ended, broken })}\n`);
  process.exit(0);
}

function run(): void {
  const socket = createConnection({ host: hostname, port: Number(port), noDelay: true });
  let sentMs = 0;
  let tail = '';
  const send = (): void => {
    sentMs = performance.now();
    tail = '';
    socket.write(request);
  };
  socket.setEncoding('latin1');
  socket.on('connect', send);
  socket.on('error', () => broken++);
  socket.on('close', oneEnds);
  socket.on('data', (piece: string) => {
    const nowMs = performance.now();
    tail = (tail + piece).slice(-600);
    if (!tail.endsWith('\r\n0\r\n\r\n')) return;
    ended++;
    if (!tail.includes('"done":true')) broken++;
    if (sentMs >= measureMs) took.push(Math.round((nowMs - sentMs) * 10) / 10);
    if (nowMs >= endMs) socket.destroy();
    else send();
  });
}

for (let index = 0; index < count; index++) setTimeout(run, (index / count) * spreadMs);
