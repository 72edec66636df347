// Rules 21 to 23: each limit of time by itself, with its own error; none restarts the clock.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answerStream,
  chunk,
  doneLine,
  httpAnswer,
  lastChunk,
  streamHead,
  tokenLine,
} from './scripted-backend.ts';
import { CHAT, until, withRig } from './rig.ts';

test('rule 21: a first byte that is late is a 504 in the caller’s dialect, and counts against the backend', () =>
  withRig({ time: { firstByteMsMax: 200 } }, async rig => {
    rig.backend.script = () => undefined;
    const answer = await rig.post('/v1/messages', {
      model: 'm',
      max_tokens: 5,
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    });
    assert.equal(answer.status, 504);
    assert.equal(JSON.parse(answer.text).error.type, 'api_error');
    assert.equal(rig.backend.seen.length, 1);
    await until(
      async () => rig.backend.seen[0]?.socket.destroyed === true,
      async () => 'the connection to the backend is open',
    );
  }));

test('rule 21: the first-byte limit does not hold for whole answers, which take as long as they take', () =>
  withRig({ time: { firstByteMsMax: 100 } }, async rig => {
    rig.backend.script = ({ socket }) =>
      void setTimeout(() => socket.write(httpAnswer(200, doneLine.trim())), 400);
    assert.equal((await rig.chat({ stream: false })).status, 200);
  }));

test('rule 21: a stream that stops between two chunks ends with an error after the idle limit', () =>
  withRig({ time: { idleMsMax: 200 } }, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const answer = await rig.chat();
    assert.equal(answer.status, 200);
    assert.match(answer.text, /\{"error":"Backend b0: no more/);
    assert.equal(await rig.metric('bigo_stream_failures_total', 'stream_stalled'), 1);
    await until(
      async () => rig.backend.seen[0]?.socket.destroyed === true,
      async () => 'the connection to the backend is open',
    );
  }));

test('rule 21: a backend that answers nothing at all any more is told from a slow one, and left early', () =>
  withRig({ backends: 2, frozenProbeMs: 150, time: { firstByteMsMax: 60_000 } }, async rig => {
    let frozen: (typeof rig.backends)[number] | undefined;
    for (const backend of rig.backends) {
      backend.script = request => {
        if (frozen !== undefined) {
          answerStream(request);
          return;
        }
        frozen = backend;
        backend.frozen = true;
      };
    }
    const answer = await rig.chat();
    assert.equal(answer.status, 200);
    assert.equal(await rig.metric('bigo_retries_total', 'frozen'), 1);
    assert.equal(await rig.metric('bigo_backend_frozen_total'), 1);
  }));

test('rule 21: a backend that freezes while it loads is left too', () =>
  withRig({ backends: 2, frozenProbeMs: 150 }, async rig => {
    for (const backend of rig.backends) backend.loaded = [];
    await rig.fleet.refresh();
    let frozen = false;
    for (const backend of rig.backends) {
      backend.onLoad = ({ socket }) => {
        if (frozen) socket.write(httpAnswer(200, '{"done":true,"done_reason":"load"}'));
        else backend.frozen = true;
        frozen = true;
      };
    }
    assert.equal((await rig.chat()).status, 200);
    await until(
      async () => (await rig.view()).loads.length === 0,
      async () => JSON.stringify((await rig.view()).loads),
    );
  }));

test('rule 21: a slow backend that still tells its version is waited for', () =>
  withRig({ frozenProbeMs: 50 }, async rig => {
    rig.backend.script = request => void setTimeout(() => answerStream(request), 600);
    assert.equal((await rig.chat()).status, 200);
    assert.equal(await rig.metric('bigo_backend_frozen_total'), 0);
  }));

test('rule 21: a ticket waits no longer than the queue’s limit, and the client may lower it, never raise it', () =>
  withRig({ slots: 1, queue: { waitMsMax: 600 } }, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const holder = await rig.connect();
    holder.post('/api/chat', CHAT);
    await holder.waitFor('"a"');
    const order: string[] = [];
    const [hasty, greedy] = await Promise.all([
      rig.chat({}, { headers: { 'x-bigo-queue-timeout-ms': '50' } }).finally(() => order.push('hasty')),
      rig.chat({}, { headers: { 'x-bigo-queue-timeout-ms': '50000' } }).finally(() => order.push('greedy')),
    ]);
    assert.deepEqual(order, ['hasty', 'greedy']);
    assert.equal(hasty.status, 503);
    assert.equal(greedy.status, 503);
    assert.match(String(hasty.headers['retry-after']), /^\d+$/);
    holder.socket.destroy();
  }));

test('rule 21: a client that sends its head or its body too slowly gets 408', () =>
  withRig({ time: { receiveMsMax: 300 } }, async rig => {
    const head = await rig.connect();
    head.write('POST /api/chat HTTP/1.1\r\nhost: loc');
    await head.waitFor(/^HTTP\/1\.1 408 /);
    await head.waitClosed();
    const body = await rig.connect();
    body.write(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n{"model":`);
    const drip = setInterval(() => body.write(' '), 50);
    await body.waitFor(/^HTTP\/1\.1 408 /);
    clearInterval(drip);
    await body.waitClosed();
    const silent = await rig.connect();
    await silent.waitClosed();
  }));

test('rule 22: an upload that takes longer than any limit of a head is not cut while its pieces come', () => {
  let received = 0;
  return withRig(
    {
      time: { receiveMsMax: 250 },
      routes: {
        handleModelChange: async exchange => exchange.send(501, {}),
        handleBlob: async exchange => {
          for await (const piece of exchange.stream) received += (piece as Buffer).length;
          exchange.send(201, {});
        },
      },
    },
    async rig => {
      const req = http.request(`${rig.gateway.url}/api/blobs/sha256:${'a'.repeat(64)}`, {
        method: 'POST',
        agent: false,
      });
      const status = new Promise<number>((resolve, reject) => {
        req.on('response', res => {
          res.resume();
          resolve(res.statusCode ?? 0);
        });
        req.on('error', reject);
      });
      for (let piece = 0; piece < 12; piece += 1) {
        req.write('x'.repeat(100));
        await sleep(100);
      }
      req.end();
      assert.equal(await status, 201);
      assert.equal(received, 1_200);
    },
  );
});

test('rule 22: the limits of receiving a request do not cut one that waits for its answer', () =>
  withRig({ time: { receiveMsMax: 200 } }, async rig => {
    rig.backend.script = ({ socket }) => {
      setTimeout(() => socket.write(streamHead + chunk(doneLine) + lastChunk), 900);
    };
    assert.equal((await rig.chat()).status, 200);
  }));

test('rule 23: the first-byte limit is the request’s, not the attempt’s', () =>
  withRig({ backends: 3, time: { firstByteMsMax: 400 } }, async rig => {
    for (const backend of rig.backends)
      backend.script = ({ socket }) => void setTimeout(() => socket.resetAndDestroy(), 250);
    const answer = await rig.chat();
    assert.equal(answer.status, 504);
    // 250 ms of the first attempt and what was left of 400 ms: a clock that restarts would allow a third attempt.
    assert.equal(rig.backends.flatMap(backend => backend.seen).length, 2);
  }));

test('rule 23: a ticket that comes back keeps its arrival and its deadline', () =>
  withRig({ backends: 2, slots: 1, queue: { waitMsMax: 500 } }, async rig => {
    const [a, b] = rig.backends;
    // b1 is taken for ever; b0 fails after 200 ms, so the ticket waits for b1 until its first deadline.
    for (const backend of rig.backends) {
      backend.script = ({ socket, body }) => {
        if (body.includes('holder')) socket.write(streamHead + chunk(tokenLine('a')));
        else setTimeout(() => socket.write(httpAnswer(503, '{"error":"busy"}')), 200);
      };
    }
    assert.ok(a && b);
    const holder = await rig.connect();
    holder.post('/api/chat', CHAT.replace('hi', 'holder'));
    await holder.waitFor('"a"');
    const startMs = performance.now();
    const answer = await rig.chat();
    assert.equal(answer.status, 503);
    assert.ok(performance.now() - startMs < 1_100);
    holder.socket.destroy();
    await until(
      async () => (await rig.view()).tickets.length === 0,
      async () => 'a ticket is left',
    );
  }));
