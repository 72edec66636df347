// Connections to a server over real sockets: kept, dropped, broken. Never measures speed.
import assert from 'node:assert/strict';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Broken, Pool } from './pool.ts';
import type { Ongoing } from './pool.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Served {
  readonly pool: Pool;
  readonly sockets: Socket[];
}

/** A server that does with each piece it reads what the test says. */
async function serve(onPiece: (socket: Socket, text: string) => void, idleMsMax = 60_000): Promise<Served> {
  const sockets: Socket[] = [];
  const server = net.createServer(socket => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', piece => onPiece(socket, piece.toString('latin1')));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pool = new Pool({ url: `http://127.0.0.1:${port}`, connectMsMax: 2_000, idleMsMax });
  cleanups.push(() => {
    pool.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { pool, sockets };
}

const request = (body = ''): { head: string; body: Buffer } => ({
  head: `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`,
  body: Buffer.from(body),
});

const answer = (text: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;

/** The body, or what broke the exchange. */
function send(pool: Pool, body = '', onStart: (ongoing: Ongoing) => void = () => undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const ongoing = pool.send(request(body), {
      onHead: () => undefined,
      onBody: bytes => (text += bytes.toString()),
      onEnd: () => resolve(text),
      onBroken: reject,
    });
    onStart(ongoing);
  });
}

async function brokenBy(promise: Promise<string>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'not broken',
    (failure: unknown) => failure,
  );
  return error instanceof Broken ? `${error.by}, ${error.used ? 'used' : 'new'}` : String(error);
}

test('a connection is used again after its answer, and a second one is opened while it is busy', async () => {
  const { pool, sockets } = await serve(socket => socket.write(answer('ok')));
  assert.equal(await send(pool), 'ok');
  assert.equal(await send(pool), 'ok');
  assert.equal(sockets.length, 1);
  assert.deepEqual(await Promise.all([send(pool), send(pool)]), ['ok', 'ok']);
  assert.equal(sockets.length, 2);
});

test('a large body arrives whole', async () => {
  let bytes = 0;
  const { pool } = await serve((socket, text) => {
    bytes += text.length;
    if (text.endsWith('!')) socket.write(answer('ok'));
  });
  const body = `${'x'.repeat(300_000)}!`;
  await send(pool, body);
  assert.equal(bytes, body.length + request(body).head.length);
});

test('an answer that closes its connection, or says more than one answer, is not followed on it', async () => {
  for (const text of [
    'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged',
  ]) {
    const { pool, sockets } = await serve(socket => socket.write(text));
    assert.equal(await send(pool), '');
    assert.equal(await send(pool), '');
    assert.equal(sockets.length, 2);
  }
});

test('what a server says without being asked ends the connection and answers nobody', async () => {
  const { pool, sockets } = await serve(socket => socket.write(answer('ok')));
  await send(pool);
  sockets[0]?.write(answer('forged'));
  await sleep(50);
  assert.equal(await send(pool), 'ok');
  assert.equal(sockets.length, 2);
});

test('a broken exchange tells whether a connection was there, and whether it was used before', async () => {
  const nowhere = new Pool({ url: 'http://127.0.0.1:9', connectMsMax: 2_000, idleMsMax: 1_000 });
  cleanups.push(() => nowhere.destroy());
  assert.equal(await brokenBy(send(nowhere)), 'connect, new');
  let served = 0;
  const { pool } = await serve(socket => {
    served += 1;
    if (served === 2) socket.resetAndDestroy();
    else if (served === 3) socket.write('220 mail.example ESMTP\r\n\r\n');
    else socket.write(answer('ok'));
  });
  await send(pool);
  assert.equal(await brokenBy(send(pool)), 'closed, used');
  assert.equal(await brokenBy(send(pool)), 'protocol, new');
});

test('an answer cut short is broken, whatever way the connection ended', async () => {
  const cut = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc';
  for (const end of [
    (socket: Socket) => socket.end(cut),
    (socket: Socket) => socket.write(cut, () => socket.destroy()),
  ]) {
    const { pool } = await serve(socket => void end(socket));
    assert.equal(await brokenBy(send(pool)), 'closed, new');
  }
});

test('an exchange that was aborted is told nothing more, and its connection is closed', async () => {
  const { pool, sockets } = await serve(socket => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc');
  });
  let told = false;
  const ongoing = pool.send(request(), {
    onHead: () => ongoing.abort(),
    onBody: () => (told = true),
    onEnd: () => (told = true),
    onBroken: () => (told = true),
  });
  const closed = (): boolean => sockets[0]?.destroyed === true;
  for (let look = 0; look < 100 && !closed(); look++) await sleep(10);
  assert.equal(closed(), true);
  assert.equal(told, false);
});

test('a paused exchange is read no further, and its connection is used again after it', async () => {
  const text = 'x'.repeat(8_000_000);
  const { pool, sockets } = await serve(socket => socket.write(answer(text)));
  let bytes = 0;
  await new Promise<void>(resolve => {
    const ongoing = pool.send(request(), {
      onHead: () => undefined,
      onBody: piece => {
        if (bytes === 0) {
          ongoing.pause();
          setTimeout(() => {
            assert.ok(bytes < 200_000, `${bytes} bytes came while it was paused`);
            ongoing.resume();
          }, 50);
        }
        bytes += piece.length;
      },
      onEnd: () => resolve(),
      onBroken: () => undefined,
    });
  });
  assert.equal(bytes, text.length);
  assert.equal((await send(pool)).length, text.length);
  assert.equal(sockets.length, 1);
});

test('a connection that was idle too long is closed', async () => {
  const { pool, sockets } = await serve(socket => socket.write(answer('ok')), 10);
  await send(pool);
  for (let look = 0; look < 300 && sockets[0]?.destroyed !== true; look++) await sleep(10);
  assert.equal(sockets[0]?.destroyed, true);
});
