// The small client against real sockets: limits, abort, lines cut anywhere. Never measures speed.
import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { after, afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpClient, type HttpRequest } from './http.ts';
import { HttpFailure } from './http-failure.ts';

const client = createHttpClient({ connectMsMax: 1000 });
after(() => client.close());
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<{ url: string }> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const get = (extra: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  path: '/',
  bytesMax: 1000,
  ...extra,
});

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

async function kindOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof HttpFailure, String(error));
    return error.kind;
  }
}

test('an answer comes whole, with its status and headers', async () => {
  const target = await serve((req, res) => {
    res.writeHead(418, { 'x-seen': req.headers['x-sent'] ?? '' });
    res.end('{"a":1}');
  });
  const answer = await client.ask({ ...target, headers: { 'x-sent': 'yes' } }, get());
  assert.equal(answer.status, 418);
  assert.equal(answer.headers['x-seen'], 'yes');
  assert.deepEqual(JSON.parse(answer.body.toString()), { a: 1 });
});

test('an answer over the byte limit is refused, and its connection is not left open', async () => {
  let closed = false;
  const target = await serve((_req, res) => {
    res.on('close', () => (closed = true));
    res.write('x'.repeat(2000));
  });
  assert.equal(await kindOf(client.ask(target, get())), 'too_large');
  for (let i = 0; i < 100 && !closed; i++) await sleep(10);
  assert.equal(closed, true);
});

test('a backend that says nothing is silent, in the head as in the body', async () => {
  const target = await serve((req, res) => {
    if (req.url === '/body') res.write('{');
  });
  assert.equal(await kindOf(client.ask(target, get({ timeMsMax: 50 }))), 'silent');
  assert.equal(await kindOf(client.ask(target, get({ path: '/body', silenceMsMax: 50 }))), 'silent');
});

test('nothing that listens is refused; something that hangs up is a reset; something that is not HTTP is a protocol error', async () => {
  const tcp = createTcpServer(socket =>
    socket.once('data', data => {
      if (data.toString().startsWith('GET /garbage')) socket.end('ssh-2.0\r\n\r\n');
      else socket.destroy();
    }),
  );
  await new Promise<void>(resolve => tcp.listen(0, '127.0.0.1', resolve));
  const target = { url: `http://127.0.0.1:${(tcp.address() as AddressInfo).port}` };
  const cut = await kindOf(client.ask(target, get()));
  const garbage = await kindOf(client.ask(target, get({ path: '/garbage' })));
  await new Promise(resolve => tcp.close(resolve));
  assert.deepEqual([cut, garbage], ['reset', 'protocol']);
  assert.equal(await kindOf(client.ask(target, get())), 'refused');
});

test('an abort from outside ends the exchange as aborted, also one that came before it began', async () => {
  const target = await serve(() => {});
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('client left')), 20);
  assert.equal(await kindOf(client.ask(target, get({ signal: stop.signal }))), 'aborted');
  assert.equal(await kindOf(client.ask(target, get({ signal: stop.signal }))), 'aborted');
});

test('lines are the same however the bytes were cut', async () => {
  const text = Buffer.from('{"ä":1}\n{"b":"€€"}\n\n{"last":true}');
  const target = await serve((_req, res) => {
    const send = (at: number): unknown => {
      if (at === text.length) return res.end();
      res.write(text.subarray(at, at + 1));
      return setImmediate(() => send(at + 1));
    };
    send(0);
  });
  const { lines } = await client.askLines(target, get());
  assert.deepEqual(await collect(lines), ['{"ä":1}', '{"b":"€€"}', '', '{"last":true}']);
});

test('a line over the limit and a stream that is cut both end in a failure after the lines before it', async () => {
  const target = await serve((req, res) => {
    res.write('one\n');
    setTimeout(() => (req.url === '/long' ? res.write('x'.repeat(2000)) : res.destroy()), 20);
  });
  for (const [path, kind] of [
    ['/long', 'too_large'],
    ['/cut', 'reset'],
  ] as const) {
    const { lines } = await client.askLines(target, get({ path }));
    const seen: string[] = [];
    const failed = kindOf(
      (async () => {
        for await (const line of lines) seen.push(line);
      })(),
    );
    assert.equal(await failed, kind);
    assert.deepEqual(seen, ['one']);
  }
});

test('leaving the loop early hangs up', async () => {
  let closed = false;
  const target = await serve((_req, res) => {
    res.on('close', () => (closed = true));
    res.write('one\ntwo\n');
  });
  const { lines } = await client.askLines(target, get());
  for await (const line of lines) {
    assert.equal(line, 'one');
    break;
  }
  for (let i = 0; i < 100 && !closed; i++) await sleep(10);
  assert.equal(closed, true);
});
