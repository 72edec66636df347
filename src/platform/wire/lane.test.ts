// The lane before a node:http server, over real sockets: which of the two answers what, and that no byte is lost between them.
import assert from 'node:assert/strict';
import net from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpServer } from '../http-server.ts';
import type { LaneCall } from './lane-call.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Client {
  readonly socket: Socket;
  readonly received: () => string;
  until(pattern: RegExp): Promise<void>;
}

const lookMs = 5;
const looksMax = 2_000;

/** The lane answers `lane BODY`, node:http `http BODY`. */
async function serve(onCall: (call: LaneCall) => void = answerCall, receiveMsMax = 10_000): Promise<Client> {
  const server = new HttpServer({
    receiveMsMax,
    connectionsMax: 10,
    nextRequestId: () => 'id',
    onRequest: (req, res) => {
      let body = '';
      req.on('data', piece => (body += String(piece)));
      req.on('end', () => res.end(`http ${body}`));
    },
    lane: { serves: new Set(['POST /a', 'GET /a']), onCall },
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  cleanups.push(() => server.close());
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  cleanups.push(() => socket.destroy());
  let text = '';
  socket.setEncoding('latin1').on('data', piece => (text += String(piece)));
  socket.on('error', () => undefined);
  const until = async (pattern: RegExp): Promise<void> => {
    for (let look = 0; look < looksMax && !pattern.test(text); look++) await sleep(lookMs);
    assert.match(text, pattern);
  };
  return { socket, received: () => text, until };
}

function answerCall(call: LaneCall): void {
  call.writeHead(200, ['x-a', 'b']);
  call.end(`lane ${call.body.toString()}`);
}

const post = (path: string, body: string, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`;

test('a plain request takes the lane, also when its body comes later and in pieces', async () => {
  const client = await serve();
  const text = post('/a', 'one two');
  for (const [from, to] of [
    [0, text.length - 7],
    [text.length - 7, text.length - 4],
    [text.length - 4, text.length],
  ]) {
    client.socket.write(text.slice(from, to));
    await sleep(20);
  }
  await client.until(/lane one two$/);
  client.socket.write('GET /a HTTP/1.1\r\nhost: x\r\n\r\n');
  await client.until(/lane one two.*lane $/s);
});

for (const [what, text] of [
  ['another path', post('/b', 'x')],
  ['a query', post('/a?b', 'x')],
  ['an unusual field', post('/a', 'x', 'te: trailers\r\n')],
  ['chunks', 'POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
  ['a body that is long', post('/a', 'x'.repeat(70_000))],
] as const) {
  test(`${what} is for node:http, and so is everything after it on the connection`, async () => {
    const client = await serve();
    client.socket.write(post('/a', 'first'));
    await client.until(/lane first$/);
    client.socket.write(text);
    await client.until(/http x/);
    client.socket.write(post('/a', 'last'));
    await client.until(/http last/);
  });
}

test('a head cut anywhere reaches node:http whole', async () => {
  const text = post('/a', 'body');
  for (const place of [1, 10, 20, 40, text.length - 6]) {
    const client = await serve();
    client.socket.write(text.slice(0, place));
    await sleep(20);
    client.socket.write(text.slice(place));
    await client.until(/http body/);
  }
});

test('requests sent ahead are answered in order and none is lost', async () => {
  const client = await serve();
  client.socket.write(post('/a', 'one') + post('/a', 'two'));
  await client.until(/http one.*http two/s);
  const other = await serve(call => void setTimeout(() => answerCall(call), 50));
  other.socket.write(post('/a', 'one'));
  await sleep(20);
  other.socket.write(post('/a', 'two') + post('/a', 'three'));
  await other.until(/lane one.*http two.*http three/s);
});

test('a body that stops arriving is watched by node:http', async () => {
  const client = await serve(answerCall, 400);
  client.socket.write(post('/a', 'whole').slice(0, -2));
  await sleep(600);
  client.socket.write('le');
  await client.until(/http whole/);
});

test('a client that says nothing is told so and closed', async () => {
  const client = await serve(answerCall, 100);
  await client.until(/^HTTP\/1\.1 408 /);
});

test('an answer without a length goes out in chunks; one that closes ends the connection', async () => {
  const client = await serve(call => {
    call.writeHead(200, ['connection', 'close']);
    call.write(Buffer.from('a'));
    call.write(Buffer.alloc(20_000, 0x62));
    call.end('c');
  });
  const closed = new Promise(resolve => client.socket.once('close', resolve));
  client.socket.write(post('/a', ''));
  await closed;
  const [head = '', body = ''] = client.received().split('\r\n\r\n');
  assert.match(head, /transfer-encoding: chunked/);
  assert.match(head, /connection: close/);
  assert.equal(body, `1\r\na\r\n4e20\r\n${'b'.repeat(20_000)}\r\n1\r\nc\r\n0`);
});

test('a value that would end its line is never written', async () => {
  let refused = '';
  const client = await serve(call => {
    for (const value of ['a\r\nx-evil: 1', 'a\nb', '\u010a']) {
      try {
        call.writeHead(200, ['x-a', value]);
      } catch (error) {
        refused += String(error).length > 0 ? '!' : '';
      }
    }
    answerCall(call);
  });
  client.socket.write(post('/a', ''));
  await client.until(/lane $/);
  assert.equal(refused, '!!!');
  assert.doesNotMatch(client.received(), /evil/);
});
