// A pull through a whole gateway, over two or three fake Ollamas: one stream for all stores and all clients.
// Never a backend outside loopback.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  asked,
  down,
  fake,
  linesOf,
  namesAt,
  post,
  rig,
  scripted,
  type Line,
} from '../../../test/gateway/model-stores.ts';
import { until } from '../../../test/tools/until.ts';

test('a pull puts the model on every store, as one stream in the order of Ollama, and tags shows it before success', async () => {
  const [a, b] = [await fake(), await fake({ pullMs: 300 })];
  const gate = await rig({ a, b });
  const answer = await post(gate, '/api/pull', { model: 'new' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
  assert.equal(answer.headers.get('x-bigo-reason'), 'fan_out');
  const lines = await linesOf(answer);
  assert.deepEqual(await namesAt(gate), ['new:latest']);
  const kinds = lines.map(line => (line.digest === undefined ? line.status : 'layer'));
  assert.deepEqual(
    [...new Set(kinds)],
    ['pulling manifest', 'layer', 'verifying sha256 digest', 'writing manifest', 'success'],
  );
  assert.equal(kinds.filter(kind => kind === 'success').length, 1);
  const layers = lines.filter(line => line.digest !== undefined);
  assert.ok(layers.every(line => line.total === 1000));
  assert.equal(layers.at(-1)?.completed, 1000);
  assert.deepEqual([await namesAt(a), await namesAt(b)], [['new:latest'], ['new:latest']]);
});

test('the bytes told are those of the slowest store', async () => {
  let release: (() => void) | undefined;
  const slow = await scripted((_req, res) => {
    res.write(
      '{"status":"pulling manifest"}\n{"status":"pulling d","digest":"sha256:d","total":10,"completed":3}\n',
    );
    release = () => void res.end('{"status":"success"}\n');
  });
  const fast = await scripted((_req, res) => {
    res.end(
      '{"status":"pulling manifest"}\n{"status":"pulling d","digest":"sha256:d","total":10,"completed":10}\n{"status":"verifying sha256 digest"}\n{"status":"success"}\n',
    );
  });
  const gate = await rig({ slow, fast });
  const answer = await post(gate, '/api/pull', { model: 'm' });
  await until('the slow one is asked', () => release !== undefined);
  await sleep(200);
  release?.();
  const lines = await linesOf(answer);
  const layers = lines.filter(line => line.digest !== undefined).map(line => line.completed);
  assert.ok(layers.includes(3), JSON.stringify(lines));
  assert.equal(layers.at(-1), 10);
  assert.equal(
    lines.findIndex(line => line.status === 'verifying sha256 digest') >
      lines.findIndex(line => line.completed === 3),
    true,
  );
});

test('many clients share one pull; who joins late sees how far it is', async () => {
  const a = await fake({ pullMs: 400 });
  const gate = await rig({ a });
  const first = post(gate, '/api/pull', { model: 'new' });
  await until('begun', () => asked(a, '/api/pull') === 1);
  await sleep(150);
  const late = await Promise.all(
    ['new', 'NEW:latest', 'library/new'].map(async model =>
      linesOf(await post(gate, '/api/pull', { name: model })),
    ),
  );
  for (const lines of [await linesOf(await first), ...late]) {
    assert.equal(lines[0]?.status, 'pulling manifest');
    assert.equal(lines.at(-1)?.status, 'success');
  }
  assert.equal(asked(a, '/api/pull'), 1);
});

test('a pull ends with its last client, and not before', async () => {
  let closed = false;
  const a = await scripted((_req, res) => {
    res.write('{"status":"pulling manifest"}\n');
    res.on('close', () => (closed = true));
  });
  const gate = await rig({ a });
  const clients = [new AbortController(), new AbortController()];
  for (const client of clients) {
    const { body } = await post(gate, '/api/pull', { model: 'm' }, { signal: client.signal });
    await body?.getReader().read();
  }
  clients[0]?.abort();
  await sleep(150);
  assert.equal(closed, false);
  clients[1]?.abort();
  await until('given up', () => closed);
});

test('without a stream a pull is one answer at its end, for good and for bad', async () => {
  const a = await fake();
  const gate = await rig({ a });
  const good = await post(gate, '/api/pull', { model: 'new', stream: false });
  assert.deepEqual([good.status, await good.json()], [200, { status: 'success' }]);
  const bad = await post(gate, '/api/pull', { model: 'nowhere', stream: false });
  assert.deepEqual(
    [bad.status, await bad.json()],
    [500, { error: 'pull model manifest: file does not exist' }],
  );
});

test('what every store refuses is an error line in its own words, and no success', async () => {
  const gate = await rig({ a: await fake(), b: await fake() });
  const lines = await linesOf(await post(gate, '/api/pull', { model: 'nowhere' }));
  assert.deepEqual(lines, [
    { status: 'pulling manifest' },
    { error: 'pull model manifest: file does not exist' },
  ]);
});

test('a store that refuses while another has done it is named, and there is no success', async () => {
  const full = await scripted((_req, res) =>
    res.end('{"status":"pulling manifest"}\n{"error":"no space left on device"}\n'),
  );
  const gate = await rig({ a: await fake(), full });
  const lines = await linesOf(await post(gate, '/api/pull', { model: 'new' }));
  assert.equal(lines.at(-1)?.error, 'full: no space left on device (done on a)');
  assert.deepEqual(await namesAt(gate), ['new:latest']);
});

test('a store that is down during a pull is named before success, and gets the model when it returns', async () => {
  const [a, b] = [await fake(), await fake()];
  const { port } = b;
  const gate = await rig({ a, b });
  await down(b, gate.fleet, 'b');
  const lines = await linesOf(await post(gate, '/api/pull', { model: 'new' }));
  assert.match(
    lines.at(-2)?.status ?? '',
    /^b does not have it yet \(it does not answer\): it gets the model when it returns$/,
  );
  assert.equal(lines.at(-1)?.status, 'success');
  const back = await fake({ port });
  await until('caught up', async () => (await namesAt(back)).includes('new:latest'));
});

test('a store that dies in the middle of a pull is named too', async () => {
  let kill: (() => void) | undefined;
  const dying = await scripted((req, res) => {
    res.write('{"status":"pulling manifest"}\n');
    kill = () => void req.socket.destroy();
  });
  const gate = await rig({ a: await fake(), dying });
  const answer = post(gate, '/api/pull', { model: 'new' });
  await until('it is asked', () => kill !== undefined);
  kill?.();
  const lines = await linesOf(await answer);
  assert.match(lines.at(-2)?.status ?? '', /^dying does not have it yet/);
  assert.equal(lines.at(-1)?.status, 'success');
});

test('with no store that answers a pull is 503 and names them', async () => {
  const a = await fake();
  const gate = await rig({ a });
  await down(a, gate.fleet, 'a');
  const answer = await post(gate, '/api/pull', { model: 'new' });
  assert.equal(answer.status, 503);
  assert.match(((await answer.json()) as Line).error ?? '', /a: it does not answer/);
});

test('a client gets the latest state, not every line; one that reads nothing does not hold up others', async () => {
  let calls = 0;
  const chatty = await scripted((_req, res) => {
    calls++;
    let n = 0;
    const more = (): void => {
      if (++n > 300) return void res.end('{"status":"success"}\n');
      res.write(`{"status":"pulling d","digest":"sha256:d","total":1000,"completed":${n}}\n`.repeat(200));
      setTimeout(more, 1);
    };
    more();
  });
  const gate = await rig({ chatty });
  const [idle, busy] = [
    await post(gate, '/api/pull', { model: 'm' }),
    await post(gate, '/api/pull', { model: 'm' }),
  ];
  const lines = await linesOf(busy);
  assert.equal(lines.at(-1)?.status, 'success');
  assert.ok(lines.length < 300, `${lines.length} lines of 60,000`);
  await idle.body?.cancel();
  assert.equal(calls, 1);
});
