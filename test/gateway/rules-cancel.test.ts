// Rules 8 to 11: a client that leaves, in each phase of its request.
import assert from 'node:assert/strict';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chunk, httpAnswer, streamHead, tokenLine } from './scripted-backend.ts';
import { CHAT, CHAT_WHOLE, staticFleet, until, withRig } from './rig.ts';
import type { Rig } from './rig.ts';

async function untilSent(rig: Rig, count = 1): Promise<void> {
  await until(
    async () => rig.backend.seen.length >= count,
    async () => `${rig.backend.seen.length} requests reached the backend`,
  );
}

async function untilBackendFree(rig: Rig): Promise<void> {
  const last = rig.backend.seen.at(-1);
  await until(
    async () => last?.socket.destroyed === true,
    async () => 'the connection to the backend is still open',
  );
}

async function untilLogged(rig: Rig, phase: string): Promise<void> {
  await until(
    async () => (await rig.requests())[0]?.code === 499,
    async () => JSON.stringify(await rig.requests()),
  );
  assert.equal(await rig.metric('bigo_clients_gone_total', `phase="${phase}"`), 1);
  assert.equal(await rig.metric('bigo_retries_total'), 0);
  const { backends } = await rig.view();
  assert.equal(backends[0].breaker, 'closed');
}

test('rule 8: a client that leaves while its body arrives holds nothing afterwards', () =>
  withRig({}, async rig => {
    const client = await rig.connect();
    client.write(
      `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n${'x'.repeat(1000)}`,
    );
    await until(
      async () => (await rig.view()).queue.bytes === 1000,
      async () => JSON.stringify((await rig.view()).queue),
    );
    client.socket.destroy();
    await rig.assertClean();
    assert.equal(rig.backend.seen.length, 0);
  }));

test('rule 9: a client that leaves the queue is never dispatched', () =>
  withRig({ slots: 1 }, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const first = await rig.connect();
    first.post('/api/chat', CHAT);
    await untilSent(rig);
    const second = await rig.connect();
    second.post('/api/chat', CHAT);
    await until(
      async () => (await rig.view()).queue.length === 1,
      async () => 'not queued',
    );
    second.socket.destroy();
    await untilLogged(rig, 'queued');
    assert.equal((await rig.view()).queue.length, 0);
    first.socket.destroy();
    await rig.assertClean();
    assert.equal(rig.backend.seen.length, 1);
  }));

test('rule 8: a client that leaves before the first byte aborts the backend and frees the slot', () =>
  withRig({}, async rig => {
    rig.backend.script = () => undefined;
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await untilSent(rig);
    client.socket.destroy();
    await untilBackendFree(rig);
    await untilLogged(rig, 'sent');
  }));

test('rule 9: a client that leaves in the middle of a stream aborts the backend; its tokens count as wasted', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      const timer = setInterval(() => socket.write(chunk(tokenLine('a'))), 10);
      socket.on('close', () => clearInterval(timer));
    };
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await client.waitFor(/(?:"content":"a"[^]*){3}/);
    client.socket.destroy();
    await untilBackendFree(rig);
    await untilLogged(rig, 'answering');
    assert.ok((await rig.metric('bigo_wasted_tokens_total')) >= 3);
    assert.equal((await rig.usage())[0].code, 499);
  }));

test('rule 8: a client that leaves a held answer aborts the backend', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) =>
      void socket.write(httpAnswer(200, '{"half":', { 'content-length': '999' }));
    const client = await rig.connect();
    client.post('/api/chat', CHAT_WHOLE);
    await untilSent(rig);
    await sleep(50);
    client.socket.destroy();
    await untilBackendFree(rig);
    await untilLogged(rig, 'answering');
  }));

test('rule 8: a client that leaves while the gateway connects frees the slot once, and nothing is sent later', async () => {
  const arrived: Socket[] = [];
  // Takes connections and never begins TLS: the gateway stays in its connecting phase.
  const silent = net.createServer(socket => void arrived.push(socket.on('error', () => undefined)));
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await withRig({ fleet: staticFleet(url), spec: { url }, time: { connectMsMax: 500 } }, async rig => {
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await until(
      async () => arrived.length === 1 && (await rig.view()).tickets[0]?.state === 'running',
      async () => JSON.stringify(await rig.view()),
    );
    client.socket.destroy();
    await rig.assertClean();
    assert.equal(await rig.metric('bigo_clients_gone_total', 'phase="sent"'), 1);
    await sleep(700);
    assert.equal(await rig.metric('bigo_retries_total'), 0);
    for (const socket of arrived) socket.destroy();
    await new Promise(resolve => silent.close(resolve));
  });
});

test('rule 8: the second of two pipelined requests is cancelled with its connection', () =>
  withRig({}, async rig => {
    rig.backend.script = () => undefined;
    const client = await rig.connect();
    client.pipeline('/api/chat', [CHAT, CHAT]);
    await untilSent(rig, 2);
    client.socket.destroy();
    await rig.assertClean();
    await until(
      async () => rig.backend.seen.every(seen => seen.socket.destroyed),
      async () => 'a connection to the backend is open',
    );
  }));

test('rule 8: of a hundred pipelined requests the first sixteen are served, then the connection ends', () =>
  withRig({ slots: 32 }, async rig => {
    const client = await rig.connect();
    client.pipeline(
      '/api/chat',
      Array.from({ length: 100 }, () => CHAT_WHOLE),
    );
    await client.waitClosed();
    assert.equal(client.received.match(/HTTP\/1\.1 200 /g)?.length, 16);
    assert.equal(rig.backend.seen.length, 16);
  }));

test('rule 8: a thousand clients that leave at random moments leave nothing behind', () =>
  withRig({ slots: 8 }, async rig => {
    rig.backend.script = ({ socket, body }) => {
      const delayMs = body.length % 7;
      setTimeout(() => {
        if (!socket.destroyed) socket.write(streamHead + chunk(tokenLine('a')));
      }, delayMs);
    };
    for (let round = 0; round < 20; round += 1) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => rig.connect()));
      clients.forEach((client, index) => {
        client.post('/api/chat', CHAT);
        setTimeout(() => client.socket.destroy(), index % 13);
      });
      await Promise.all(clients.map(client => client.waitClosed()));
    }
    await rig.assertClean();
    await until(
      async () => rig.backend.openSockets <= 4,
      async () => `${rig.backend.openSockets} connections to the backend are open`,
    );
  }));

test('rule 10: a load that others still wait for goes on when the first of them leaves', () =>
  withRig({ models: ['m:latest', 'n:latest'] }, async rig => {
    rig.backend.loaded = [];
    await rig.fleet.refresh();
    let finish = (): void => undefined;
    let aborted = false;
    rig.backend.onLoad = ({ socket }) => {
      socket.on('close', () => (aborted = true));
      finish = () => void socket.write(httpAnswer(200, '{"done":true,"done_reason":"load"}'));
    };
    const first = await rig.connect();
    first.post('/api/chat', CHAT);
    const second = await rig.connect();
    second.post('/api/chat', CHAT);
    await until(
      async () => (await rig.view()).loads.length === 1 && (await rig.view()).queue.length === 2,
      async () => JSON.stringify(await rig.view()),
    );
    first.socket.destroy();
    await sleep(60);
    assert.equal(aborted, false);
    finish();
    await second.waitFor('"done":true');
    second.socket.destroy();
  }));

test('rule 10: a load that nobody waits for any more is given up', () =>
  withRig({}, async rig => {
    rig.backend.loaded = [];
    await rig.fleet.refresh();
    let loading = false;
    let aborted = false;
    rig.backend.onLoad = ({ socket }) => {
      loading = true;
      socket.on('close', () => (aborted = true));
    };
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await until(
      async () => loading,
      async () => 'no load began',
    );
    client.socket.destroy();
    await until(
      async () => aborted,
      async () => 'the load goes on',
    );
    await until(
      async () => (await rig.view()).loads.length === 0,
      async () => JSON.stringify((await rig.view()).loads),
    );
  }));

test('rule 11: a reader that stops and then leaves wakes nobody who waits for a drain', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      const line = chunk(tokenLine('a'.repeat(30_000)));
      const pour = (): void => {
        while (!socket.destroyed && socket.write(line));
      };
      socket.on('drain', pour);
      pour();
    };
    const client = await rig.connect();
    client.socket.pause();
    client.post('/api/chat', CHAT);
    await untilSent(rig);
    await sleep(200);
    client.socket.destroy();
    await untilBackendFree(rig);
    await rig.assertClean();
  }));
