// Processes that die, freeze, come back, or want a port that is taken. Backends here are programs of their own.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGatewayProcess } from '../contract/gateway-process.ts';
import type { GatewayProcess } from '../contract/gateway-process.ts';
import { ask } from './client.ts';
import { DIALECTS } from './dialects.ts';
import type { DialectCase } from './dialects.ts';
import { startFakeProcess } from './fake-process.ts';
import type { FakeProcess } from './fake-process.ts';
import { inWorld, MODEL, startWorld } from './world.ts';
import type { World } from './world.ts';

const slow = [
  '--models',
  JSON.stringify([MODEL]),
  '--load-ms',
  '20',
  '--token-ms',
  '20',
  '--tokens-median',
  '200',
  '--tokens-sigma',
  '0.01',
];
const quick = JSON.stringify({ model: MODEL, prompt: 'Hi.', stream: false, options: { num_predict: 1 } });
const native = DIALECTS[0] as DialectCase;

describe('a backend dies or freezes', () => {
  let backend: FakeProcess;
  let world: World;

  before(async () => {
    backend = await startFakeProcess(slow);
    const gateway = { time: { idle_max: '2s', first_byte_max: '20s' } };
    world = await startWorld({ fakes: [], others: [`${backend.url},name=only,slots=4`], gateway });
  });
  after(async () => {
    await world.stop();
    await backend.stop();
  });

  async function again(): Promise<void> {
    backend = await startFakeProcess(slow, backend.port);
    await world.until('it is up again', fleet => fleet.backends[0]?.state === 'up');
    const heard = await world.hear('/api/generate', { body: quick });
    assert.equal(heard.status, 200, heard.text);
  }

  for (const dialect of DIALECTS) {
    test(`killed in the middle of a stream: an explicit error, and the next request after its return: ${dialect.name}`, async () => {
      const asking = world.ask(dialect.path, { body: dialect.body(MODEL, true) });
      await asking.head;
      await sleep(100);
      backend.signal('SIGKILL');
      const heard = await asking.heard;
      const reading = dialect.readStream(heard.text);
      assert.equal(reading.complete, false);
      assert.ok((reading.error ?? '').length > 0, heard.text.slice(-300));
      await world.assertSettled();
      await again();
      await world.assertSettled();
    });
  }

  test('killed before the first byte, with nobody else to ask: an error, not a hang', async () => {
    const asking = world.ask('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    await sleep(200);
    backend.signal('SIGKILL');
    await backend.gone();
    const shorter = world.ask('/api/generate', {
      body: quick,
      headers: { 'x-bigo-queue-timeout-ms': '1000' },
    });
    assert.ok((await shorter.heard).status >= 502);
    await again();
    const heard = await asking.heard;
    assert.ok(heard.status === 200 || heard.status >= 502, `status ${heard.status}`);
    await world.assertSettled();
  });

  test('frozen in the middle of a stream: an explicit error within the idle time', async () => {
    const asking = world.ask(native.path, { body: native.body(MODEL, true) });
    await asking.head;
    await sleep(100);
    backend.signal('SIGSTOP');
    const heard = await asking.heard;
    backend.signal('SIGCONT');
    assert.equal(native.readStream(heard.text).complete, false);
    assert.ok((native.readStream(heard.text).error ?? '').length > 0, heard.text.slice(-300));
    await world.until('it is up again', fleet => fleet.backends[0]?.state === 'up');
    await world.assertSettled();
  });
});

describe('one of two backends freezes before its first byte', () => {
  test('the request is answered by the other, long before the first-byte limit', async t => {
    const backends = await Promise.all([startFakeProcess(slow), startFakeProcess(slow)]);
    const others = backends.map((backend, at) => `${backend.url},name=p${at},slots=4`);
    t.after(() => Promise.all(backends.map(backend => backend.stop())));
    await inWorld({ fakes: [], others, gateway: { time: { first_byte_max: '60s' } } }, async world => {
      backends[0]?.signal('SIGSTOP');
      const heard = await Promise.all([0, 1, 2].map(() => world.hear('/api/generate', { body: quick })));
      assert.deepEqual(
        heard.map(each => each.status),
        [200, 200, 200],
        heard.map(each => each.text).join('\n'),
      );
      assert.ok(heard.every(each => each.headers['x-bigo-backend'] === 'p1'));
      backends[0]?.signal('SIGCONT');
      await world.until('it is up again', fleet => fleet.backends.every(backend => backend.state === 'up'));
      await world.assertSettled();
    });
  });
});

describe('the gateway itself', () => {
  async function withGateway(
    flags: readonly string[],
    run: (gateway: GatewayProcess, backend: FakeProcess) => Promise<void>,
  ): Promise<void> {
    const backend = await startFakeProcess(slow);
    const gateway = await startGatewayProcess([`${backend.url},name=b,slots=4`], { flags });
    try {
      await run(gateway, backend);
    } finally {
      await gateway.stop();
      await backend.stop();
    }
  }

  test('a signal lets streams finish, refuses what is new, and ends with 0', async () => {
    await withGateway([], async gateway => {
      const streaming = ask(gateway.url + native.path, { body: native.body(MODEL, true) });
      await streaming.head;
      gateway.signal('SIGTERM');
      await sleep(200);
      const ready = await ask(`${gateway.admin}/readyz`).heard.catch(() => undefined);
      assert.notEqual(ready?.status, 200);
      const late = await ask(`${gateway.url}/api/generate`, { body: quick }).heard.catch(() => undefined);
      assert.ok(late === undefined || late.status === 503, `status ${late?.status}`);
      const heard = await streaming.heard;
      assert.ok(native.readStream(heard.text).complete, heard.text.slice(-300));
      assert.equal(await gateway.exited(), 0);
    });
  });

  test('a second signal ends it at once, and no stream looks complete', async () => {
    await withGateway([], async gateway => {
      const streaming = ask(gateway.url + native.path, { body: native.body(MODEL, true) });
      await streaming.head;
      gateway.signal('SIGTERM');
      await sleep(100);
      gateway.signal('SIGTERM');
      const startMs = Date.now();
      await gateway.exited();
      assert.ok(Date.now() - startMs < 3_000);
      const heard = await streaming.heard.catch(() => undefined);
      assert.ok(heard === undefined || heard.cut || !native.readStream(heard.text).complete);
    });
  });

  test('streams that outlast the drain time end with an explicit error', async () => {
    await withGateway(['--drain-timeout-ms', '300'], async gateway => {
      const streaming = ask(gateway.url + native.path, { body: native.body(MODEL, true) });
      await streaming.head;
      gateway.signal('SIGTERM');
      const heard = await streaming.heard;
      assert.equal(native.readStream(heard.text).complete, false);
      assert.ok(heard.cut || (native.readStream(heard.text).error ?? '').length > 0, heard.text.slice(-200));
      await gateway.exited();
    });
  });

  test('a port that is taken is said, with what to do, and nothing stays', async () => {
    await withGateway([], async (gateway, backend) => {
      const listen = new URL(gateway.url).host;
      await assert.rejects(startGatewayProcess([backend.url], { listen }), error => {
        assert.match(String(error), new RegExp(new URL(gateway.url).port));
        assert.match(String(error), /in use|taken/i);
        assert.doesNotMatch(String(error), /\bat .*node:net/);
        return true;
      });
    });
  });
});
