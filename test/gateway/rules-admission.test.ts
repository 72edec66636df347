// Rules 24 to 28 and 32: who is let in, what they hear otherwise, the ledger of slots, breakers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answerStream,
  answerWhole,
  chunk,
  httpAnswer,
  lastChunk,
  doneLine,
  streamHead,
  tokenLine,
} from './scripted-backend.ts';
import type { ScriptedRequest } from './scripted-backend.ts';
import { CHAT, until, withRig } from './rig.ts';
import type { Rig } from './rig.ts';

/** Answers that the test lets go one by one. */
function gated(rig: Rig): ScriptedRequest[] {
  const open: ScriptedRequest[] = [];
  for (const backend of rig.backends) {
    backend.script = request => {
      request.socket.write(streamHead + chunk(tokenLine('a')));
      open.push(request);
    };
  }
  return open;
}
const finish = (request: ScriptedRequest | undefined): void =>
  void request?.socket.write(chunk(doneLine) + lastChunk);

test('rule 24: a full queue is 429 with Retry-After, in each dialect', () =>
  withRig({ slots: 1, queue: { ticketsMax: 1 } }, async rig => {
    const open = gated(rig);
    const running = rig.chat();
    await until(
      async () => open.length === 1,
      async () => 'not running',
    );
    const waiting = rig.chat();
    await until(
      async () => (await rig.view()).queue.length === 1,
      async () => 'not waiting',
    );
    const native = await rig.chat();
    const openai = await rig.post('/v1/chat/completions', { model: 'm', messages: [] });
    const anthropic = await rig.post('/v1/messages', { model: 'm', max_tokens: 1, messages: [] });
    for (const answer of [native, openai, anthropic]) {
      assert.equal(answer.status, 429);
      assert.match(String(answer.headers['retry-after']), /^\d+$/);
    }
    assert.equal(typeof JSON.parse(native.text).error, 'string');
    assert.equal(JSON.parse(openai.text).error.type, 'rate_limit_error');
    assert.equal(JSON.parse(anthropic.text).error.type, 'rate_limit_error');
    finish(open[0]);
    await running;
    await until(
      async () => open.length === 2,
      async () => 'the second one does not run',
    );
    finish(open[1]);
    assert.equal((await waiting).status, 200);
  }));

test('rule 24: the bound of bytes counts bodies that still arrive', () =>
  withRig({ queue: { bytesMax: 10_000 } }, async rig => {
    const slow = await rig.connect();
    slow.write(
      `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000\r\n\r\n${'x'.repeat(8_000)}`,
    );
    await until(
      async () => (await rig.view()).queue.bytes === 8_000,
      async () => 'not held',
    );
    const answer = await rig.chat({ pad: 'y'.repeat(3_000) });
    assert.equal(answer.status, 429);
    assert.match(answer.text, /10000 bytes/);
    const chunked = await rig.connect();
    chunked.write(
      `POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nbb8\r\n${'x'.repeat(3_000)}\r\n`,
    );
    await chunked.waitFor(/^HTTP\/1\.1 429 /);
    chunked.socket.destroy();
    slow.socket.destroy();
  }));

test('rule 24: a model that nobody has is 404 with near names; a declared one waits, then 503', () =>
  withRig(
    { models: ['llama3.2:1b'], settings: { declaredModels: ['qwen3:8b'] }, queue: { waitMsMax: 200 } },
    async rig => {
      const unknown = await rig.chat({ model: 'lama3.2:1b' });
      assert.equal(unknown.status, 404);
      assert.match(JSON.parse(unknown.text).error, /^model 'lama3\.2:1b' not found.*llama3\.2:1b/);
      assert.equal(
        JSON.parse((await rig.post('/v1/chat/completions', { model: 'none' })).text).error.type,
        'not_found_error',
      );
      const declared = await rig.chat({ model: 'qwen3:8b' });
      assert.equal(declared.status, 503);
      assert.match(String(declared.headers['retry-after']), /^\d+$/);
      assert.equal(rig.backend.seen.length, 0);
    },
  ));

test('rule 24: when every backend with the model is down, the ticket waits, then 503', () =>
  withRig({ queue: { waitMsMax: 400 } }, async rig => {
    rig.fleet.setDraining('b0', true);
    const waiting = await rig.chat();
    assert.equal(waiting.status, 503);
    rig.fleet.setDraining('b0', false);
    assert.equal((await rig.chat()).status, 200);
  }));

test('rule 25: the gateway’s own ledger bounds what a backend holds', () =>
  withRig({ slots: 2 }, async rig => {
    const open = gated(rig);
    const answers = Array.from({ length: 6 }, () => rig.chat());
    await until(
      async () => open.length === 2 && (await rig.view()).queue.length === 4,
      async () => `${open.length} run`,
    );
    const [backend] = (await rig.view()).backends;
    assert.deepEqual([backend.inFlight, backend.slots], [2, { value: 2, source: 'given' }]);
    for (let index = 0; index < 6; index += 1) {
      await until(
        async () => open.length > index,
        async () => `only ${open.length} were sent`,
      );
      assert.ok(open.length <= index + 2);
      finish(open[index]);
    }
    assert.ok((await Promise.all(answers)).every(answer => answer.status === 200));
  }));

test('rule 26: requests for a cold model wait in the gateway for one load of its own', () =>
  withRig({ slots: 4 }, async rig => {
    rig.backend.loaded = [];
    await rig.fleet.refresh();
    let loads = 0;
    rig.backend.onLoad = ({ socket }) => {
      loads += 1;
      setTimeout(() => socket.write(httpAnswer(200, '{"done":true,"done_reason":"load"}')), 200);
    };
    const answers = Array.from({ length: 5 }, () => rig.chat());
    await sleep(100);
    assert.equal(rig.backend.seen.length, 0);
    const all = await Promise.all(answers);
    assert.ok(all.every(answer => answer.status === 200));
    assert.equal(loads, 1);
    assert.ok(all.some(answer => answer.headers['x-bigo-reason'] === 'cold_free'));
  }));

test('rule 26: a load that fails is the error of those who wait, in the backend’s words', () =>
  withRig({}, async rig => {
    rig.backend.loaded = [];
    await rig.fleet.refresh();
    rig.backend.onLoad = ({ socket }) =>
      void socket.write(httpAnswer(500, '{"error":"model requires more system memory"}'));
    const answer = await rig.chat();
    assert.equal(answer.status, 502);
    assert.match(answer.text, /more system memory/);
    assert.equal(rig.backend.seen.length, 0);
  }));

test('rule 27: embeddings and answers share the slots of their runner', () =>
  withRig({ slots: 1 }, async rig => {
    const open = gated(rig);
    const first = rig.chat();
    await until(
      async () => open.length === 1,
      async () => 'not running',
    );
    const second = rig.post('/api/embed', { model: 'm', input: 'x' });
    await sleep(60);
    assert.equal(rig.backend.seen.length, 1);
    rig.backend.script = ({ socket }) => void socket.write(httpAnswer(200, '{"embeddings":[[1]]}'));
    finish(open[0]);
    assert.equal((await first).status, 200);
    assert.equal((await second).text, '{"embeddings":[[1]]}');
  }));

test('rule 28: failures open the breaker of their backend, and it heals', () =>
  withRig({ backends: 2, slots: 8 }, async rig => {
    const [bad, good] = rig.backends;
    assert.ok(bad && good);
    bad.script = ({ socket }) => void socket.write(httpAnswer(503, '{"error":"broken"}'));
    for (let index = 0; index < 30; index += 1) assert.equal((await rig.chat({ stream: false })).status, 200);
    const sent = bad.seen.length;
    assert.ok(sent < 20, `${sent} requests went to the broken backend`);
    bad.script = answerWhole;
    good.script = ({ socket }) => void socket.write(httpAnswer(503, '{"error":"broken"}'));
    await until(
      async () => (await rig.chat({ stream: false })).headers['x-bigo-backend'] === 'b0',
      async () => 'the healed backend is never used',
    );
  }));

for (const [what, script] of [
  ['a 400', ({ socket }) => void socket.write(httpAnswer(400, '{"error":"x"}'))],
  ['a 429', ({ socket }) => void socket.write(httpAnswer(429, '{"error":"x"}'))],
  ['a 499', ({ socket }) => void socket.write(httpAnswer(499, '{"error":"x"}'))],
] satisfies [string, (request: ScriptedRequest) => void][]) {
  test(`rule 28: ${what} never counts against a backend`, () =>
    withRig({}, async rig => {
      rig.backend.script = script;
      for (let index = 0; index < 8; index += 1) await rig.chat();
      rig.backend.script = answerStream;
      assert.equal((await rig.view()).backends[0].breaker, 'closed');
      assert.equal((await rig.chat()).status, 200);
    }));
}

test('rule 28: when every backend is shut by its breaker, the least bad one is tried', () =>
  withRig({ queue: { waitMsMax: 3_000 } }, async rig => {
    rig.backend.script = ({ socket }) => void socket.resetAndDestroy();
    for (let index = 0; index < 3; index += 1)
      await rig.chat({}, { headers: { 'x-bigo-queue-timeout-ms': '300' } });
    rig.backend.script = answerStream;
    const answer = await rig.chat();
    assert.equal(answer.status, 200);
  }));

test('rule 32: a body over the limit is refused by its length, before it is read', () =>
  withRig({ body: { jsonBytesMax: 5_000 } }, async rig => {
    const client = await rig.connect();
    client.write('POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5001\r\n\r\n');
    await client.waitFor(/^HTTP\/1\.1 413 /);
    assert.match(client.received, /"request_too_large"/);
    client.socket.destroy();
    const exact = CHAT.replace('hi', 'a'.repeat(5_000 - CHAT.length + 2));
    assert.equal((await rig.post('/api/chat', exact)).status, 200);
  }));

test('rule 32: a chunked body is bounded while it arrives', () =>
  withRig({ body: { jsonBytesMax: 5_000 } }, async rig => {
    const client = await rig.connect();
    client.write('POST /api/chat HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let index = 0; index < 6; index += 1) client.write(`3e8\r\n${'x'.repeat(1_000)}\r\n`);
    await client.waitFor(/^HTTP\/1\.1 413 /);
    assert.equal((await rig.view()).queue.bytes, 0);
    client.socket.destroy();
  }));

test('priorities: a higher one goes first, and a key caps it', () =>
  withRig({ slots: 1 }, async rig => {
    const open = gated(rig);
    const holder = rig.chat();
    await until(
      async () => open.length === 1,
      async () => 'not running',
    );
    const batch = rig.chat({ tag: 'batch' }, { headers: { 'x-bigo-priority': 'batch' } });
    await until(
      async () => (await rig.view()).queue.length === 1,
      async () => 'not waiting',
    );
    const high = rig.chat({ tag: 'high' }, { headers: { 'x-bigo-priority': 'high' } });
    await until(
      async () => (await rig.view()).queue.length === 2,
      async () => 'not waiting',
    );
    finish(open[0]);
    await until(
      async () => open.length === 2,
      async () => 'nothing runs',
    );
    assert.match(open[1]?.body ?? '', /"high"/);
    finish(open[1]);
    await until(
      async () => open.length === 3,
      async () => 'nothing runs',
    );
    finish(open[2]);
    await Promise.all([holder, batch, high]);
    assert.equal((await rig.chat({}, { headers: { 'x-bigo-priority': 'urgent' } })).status, 400);
  }));
