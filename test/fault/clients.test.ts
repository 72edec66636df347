// Clients that leave in each phase, read slowly, send slowly, or are too many. Others are served, nothing is left behind.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFakeProcess } from './fake-process.ts';
import { DIALECTS } from './dialects.ts';
import { inWorld, MODEL, startWorld } from './world.ts';
import type { World } from './world.ts';

const body = (extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    model: MODEL,
    prompt: 'Tell me about the sea.',
    options: { num_predict: 400, seed: 1 },
    ...extra,
  });
const quick = JSON.stringify({ model: MODEL, prompt: 'Hi.', stream: false, options: { num_predict: 1 } });

describe('a client leaves', () => {
  let world: World;
  before(async () => {
    const models = [{ name: MODEL }, { name: 'cold:latest', loadMs: 4_000 }];
    world = await startWorld({
      slots: 1,
      fakes: [{ models, tokenMs: 20, tokensMedian: 400, tokensSigma: 0.01, promptMsPerKib: 300 }],
    });
  });
  after(() => world.stop());

  test('while it is queued: its ticket is never dispatched', async () => {
    const running = world.ask('/api/generate', { body: body() });
    await running.head;
    const seenBefore = world.fake(0).state().seen.length;
    const queued = world.ask('/api/generate', { body: body({ prompt: 'never' }) });
    await world.until('it is queued', fleet => fleet.queue.length === 1);
    queued.leave();
    await world.until('the queue is empty', fleet => fleet.queue.length === 0);
    running.leave();
    await world.assertSettled();
    const prompts = world
      .fake(0)
      .state()
      .seen.slice(seenBefore)
      .filter(seen => seen.body.includes('never'));
    assert.deepEqual(prompts, []);
  });

  test('while headers are awaited: the backend is told', async () => {
    const cancelledBefore = world.fake(0).state().counts.cancelled;
    const long = body({ prompt: 'long '.repeat(2000) });
    const waiting = world.ask('/api/generate', { body: long });
    await world.until('it is dispatched', fleet => fleet.inFlight === 1 && fleet.queue.length === 0);
    while (world.fake(0).state().inFlight === 0) await sleep(10);
    waiting.leave();
    await world.assertSettled();
    assert.equal(world.fake(0).state().counts.cancelled, cancelledBefore + 1);
  });

  test('while the answer streams: the backend stops', async () => {
    for (const dialect of DIALECTS) {
      const cancelledBefore = world.fake(0).state().counts.cancelled;
      const streaming = world.ask(dialect.path, { body: dialect.body(MODEL, true) });
      await streaming.head;
      streaming.leave();
      await world.assertSettled();
      assert.equal(world.fake(0).state().counts.cancelled, cancelledBefore + 1, dialect.name);
    }
  });

  test('while its whole answer is held: the backend stops', async () => {
    const cancelledBefore = world.fake(0).state().counts.cancelled;
    const held = world.ask('/api/generate', { body: body({ stream: false }) });
    while (world.fake(0).state().inFlight === 0) await sleep(10);
    await sleep(100);
    held.leave();
    await world.assertSettled();
    assert.equal(world.fake(0).state().counts.cancelled, cancelledBefore + 1);
  });

  test('while its model loads, and nobody else wants it: the load is given up', async () => {
    const loading = world.ask('/api/generate', { body: body({ model: 'cold' }) });
    while (
      !world
        .fake(0)
        .state()
        .seen.some(seen => seen.body.includes('cold'))
    )
      await sleep(10);
    await sleep(100);
    loading.leave();
    await world.assertSettled();
    const { text } = await world.hear('/api/ps');
    assert.doesNotMatch(text, /cold/);
  });

  test('while its model loads, and another wants it too: the other is served by that load', async () => {
    const loadsBefore = world.fake(0).state().counts.loads;
    const leaving = world.ask('/api/generate', { body: body({ model: 'cold' }) });
    const staying = world.hear('/api/generate', {
      body: JSON.stringify({ model: 'cold', prompt: 'Hi.', stream: false, options: { num_predict: 1 } }),
    });
    await sleep(500);
    leaving.leave();
    assert.equal((await staying).status, 200);
    assert.equal(world.fake(0).state().counts.loads, loadsBefore + 1);
    await world.assertSettled();
  });

  test('two hundred times in a row, in every phase that chance finds', async () => {
    for (let times = 0; times < 200; times++) {
      const dialect = DIALECTS[times % DIALECTS.length];
      const asking = world.ask(dialect?.path ?? '/', { body: dialect?.body(MODEL, times % 2 === 0) ?? '' });
      if (times % 5 !== 0) await sleep(times % 17);
      asking.leave();
    }
    await world.assertSettled();
    assert.equal((await world.hear('/api/generate', { body: quick })).status, 200);
  });

  test('in the middle of sending its body', async () => {
    const socket = await connected(world);
    socket.write(
      `POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{"model":"m","prompt":"`,
    );
    await sleep(100);
    socket.destroy();
    await world.assertSettled();
  });
});

describe('a client leaves while the gateway connects', () => {
  test('a backend that takes no connection holds nobody for long', async t => {
    const frozen = await startFakeProcess([
      '--models',
      JSON.stringify([MODEL]),
      '--backlog',
      '1',
      '--load-ms',
      '10',
    ]);
    t.after(() => frozen.stop());
    await inWorld({ fakes: [], others: [`${frozen.url},name=frozen,slots=4`] }, async world => {
      frozen.signal('SIGSTOP');
      const fill = Array.from({ length: 8 }, () =>
        connect({ port: frozen.port, host: '127.0.0.1' }).on('error', () => undefined),
      );
      await sleep(300);
      const asking = world.ask('/api/generate', { body: body() });
      await sleep(500);
      asking.leave();
      for (const socket of fill) socket.destroy();
      await world.until(
        'nothing is left',
        fleet => fleet.tickets.length === 0 && fleet.inFlight === 0 && fleet.queue.bytes === 0,
      );
      frozen.signal('SIGCONT');
    });
  });
});

describe('a client is slow', () => {
  let world: World;
  before(async () => {
    const models = [{ name: MODEL }, { name: 'big:latest', padBytes: 20_000, loadMs: 10 }];
    const gateway = { time: { receive_max: '1s', write_stall_max: '2s' } };
    world = await startWorld({
      fakes: [{ models, tokenMs: 0, tokensMedian: 2000, tokensSigma: 0.01 }],
      gateway,
    });
  });
  after(() => world.stop());

  test('a reader that reads nothing is cut, holds little, and hinders nobody', async () => {
    const stalled = world.ask('/api/generate', {
      body: body({ model: 'big', options: { num_predict: 2000 } }),
      paused: true,
    });
    await stalled.head;
    const startMs = Date.now();
    assert.equal((await world.hear('/api/generate', { body: quick })).status, 200);
    assert.ok(Date.now() - startMs < 5_000, 'others are served at once');
    await world.until('it is cut', fleet => fleet.inFlight === 0);
    stalled.leave();
    await world.assertSettled();
  });

  test('a head that comes byte by byte is cut, and so is a body', async () => {
    const head = 'POST /api/generate HTTP/1.1\r\nHost: localhost\r\nX-Slow: ';
    const whole = `POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{"model":"m"`;
    const cuts = [
      ...Array.from({ length: 10 }, () => drip(world, head, 'a')),
      ...Array.from({ length: 10 }, () => drip(world, whole, '')),
    ];
    assert.equal((await world.hear('/api/generate', { body: quick })).status, 200);
    for (const said of await Promise.all(cuts)) assert.match(said, /^(HTTP\/1\.1 408 |$)/);
    await world.assertSettled();
  });

  test('a connection that says nothing is cut', async () => {
    assert.match(await drip(world, '', ''), /^(HTTP\/1\.1 408 |$)/);
    await world.assertSettled();
  });
});

describe('there are too many', () => {
  test('a full queue answers 429 with Retry-After in each dialect; those inside are served', async () => {
    await inWorld({ slots: 1, fakes: [{ tokenMs: 10 }], bus: { queue_size: 2 } }, async world => {
      const inside = [0, 1, 2].map(() =>
        world.hear('/api/generate', { body: body({ options: { num_predict: 60, seed: 1 } }) }),
      );
      await world.until('the queue is full', fleet => fleet.queue.length === 2);
      for (const dialect of DIALECTS) {
        const heard = await world.hear(dialect.path, { body: dialect.body(MODEL, true) });
        assert.equal(heard.status, 429, heard.text);
        assert.ok(Number(heard.headers['retry-after']) >= 1);
        assert.ok((dialect.readError(heard.text) ?? '').length > 0, heard.text);
      }
      for (const heard of await Promise.all(inside)) assert.equal(heard.status, 200);
      await world.assertSettled();
    });
  });

  test('who waits too long is told 503 with Retry-After, and may shorten the wait', async () => {
    await inWorld(
      {
        slots: 1,
        fakes: [{ tokenMs: 50, tokensMedian: 100, tokensSigma: 0.01 }],
      },
      async world => {
        const running = world.ask('/api/generate', { body: body() });
        await running.head;
        for (const dialect of DIALECTS) {
          const options = { body: dialect.body(MODEL, true), headers: { 'x-bigo-queue-timeout-ms': '200' } };
          const heard = await world.hear(dialect.path, options);
          assert.equal(heard.status, 503, heard.text);
          assert.ok(Number(heard.headers['retry-after']) >= 1);
          assert.ok((dialect.readError(heard.text) ?? '').length > 0);
        }
        running.leave();
        await world.assertSettled();
      },
    );
  });

  test('a body over the limit is refused before it is read', async () => {
    await inWorld({ gateway: { body: { json_max: '1MiB' } } }, async world => {
      const socket = await connected(world);
      socket.write('POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n');
      assert.match(await firstOf(socket), /^HTTP\/1\.1 413 /);
      const chunked = await connected(world);
      chunked.write('POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
      chunked.write(`200000\r\n${'x'.repeat(0x200000)}\r\n0\r\n\r\n`);
      assert.match(await firstOf(chunked), /^HTTP\/1\.1 413 /);
      await world.assertSettled();
    });
  });
});

async function connected(world: World): Promise<Socket> {
  const socket = connect({ port: Number(new URL(world.gateway.url).port), host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await new Promise(resolve => socket.once('connect', resolve));
  return socket;
}

/** What the server says first; '' when it closes without a word. */
function firstOf(socket: Socket): Promise<string> {
  return new Promise(resolve => {
    socket.once('data', (bytes: Buffer) => {
      socket.destroy();
      resolve(bytes.toString('latin1'));
    });
    socket.once('close', () => resolve(''));
  });
}

/** Sends the beginning, then a drop at a time, until the server has enough. */
async function drip(world: World, beginning: string, drop: string): Promise<string> {
  const socket = await connected(world);
  if (beginning !== '') socket.write(beginning);
  const timer = setInterval(() => socket.write(drop === '' ? '' : drop), 300);
  const said = await firstOf(socket);
  clearInterval(timer);
  return said;
}
