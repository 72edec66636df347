// The bytes of models, and models made from them, on every store through a whole gateway. Never a backend outside loopback.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FakeOllama } from '../../../test/fakes/ollama/server.ts';
import {
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
import type { Rig } from './rig.ts';

const bytes = Buffer.from('the bytes of a model'.repeat(100_000));
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const upload = (gate: Rig, body: Buffer = bytes, to = digest): Promise<Response> =>
  fetch(`${gate.url}/api/blobs/${to}`, { method: 'POST', body: new Uint8Array(body) });
const head = async (gate: Rig): Promise<number> =>
  (await fetch(`${gate.url}/api/blobs/${digest}`, { method: 'HEAD' })).status;

test('a blob reaches every store that lacks it; HEAD is 200 only when all have it', async () => {
  const [a, b] = [await fake(), await fake()];
  const gate = await rig({ a, b });
  await fetch(`${a.url}/api/blobs/${digest}`, { method: 'POST', body: new Uint8Array(bytes) });
  assert.equal(await head(gate), 404);
  const answer = await upload(gate);
  assert.equal(answer.status, 201);
  assert.equal(await head(gate), 200);
  const posts = (server: FakeOllama) =>
    server.state().seen.filter(({ method, url }) => method === 'POST' && url.startsWith('/api/blobs/'))
      .length;
  assert.deepEqual([posts(a), posts(b)], [1, 1]);
  assert.equal((await upload(gate)).status, 200);
  assert.deepEqual([posts(a), posts(b)], [1, 1]);
});

test('a blob of other bytes than its digest is 400 in the words of the server; a digest that is none is 400', async () => {
  const gate = await rig({ a: await fake(), b: await fake() });
  const wrong = await upload(gate, Buffer.from('other'));
  assert.equal(wrong.status, 400);
  assert.match(((await wrong.json()) as Line).error ?? '', /digest mismatch/);
  assert.equal((await upload(gate, bytes, 'sha256:zz')).status, 400);
});

test('an upload is paced by the slowest store and never held', async () => {
  let arrived = (_resume: () => void): void => {};
  const uploadArrived = new Promise<() => void>(resolve => (arrived = resolve));
  const slow = await scripted((req, res) => {
    if (req.method === 'HEAD') return void res.writeHead(404).end();
    arrived(() => void req.resume().on('end', () => res.writeHead(201).end()));
  });
  const gate = await rig({ a: await fake(), slow });
  let sent = 0;
  const total = 64 * 1024 * 1024;
  const source = new Readable({
    read() {
      if (sent >= total) this.push(null);
      else this.push(Buffer.alloc(64 * 1024));
      sent += 64 * 1024;
    },
  });
  const zeros = `sha256:${createHash('sha256').update(Buffer.alloc(total)).digest('hex')}`;
  const answer = fetch(`${gate.url}/api/blobs/${zeros}`, {
    method: 'POST',
    body: Readable.toWeb(source) as ReadableStream,
    duplex: 'half',
  });
  const resume = await uploadArrived;
  await sleep(500);
  const whileStuck = sent;
  assert.ok(whileStuck < total / 2, `${whileStuck} bytes were taken while one store takes none`);
  resume();
  assert.equal((await answer).status, 201);
});

test('a store that fails or stalls during an upload is left out and named, the others get the blob', async () => {
  const stuck = await scripted((req, res) => {
    if (req.method === 'HEAD') res.writeHead(404).end();
  });
  const dying = await scripted((req, res) => {
    if (req.method === 'HEAD') res.writeHead(404).end();
    else req.once('data', () => req.socket.destroy());
  });
  const a = await fake();
  const gate = await rig({ a, stuck, dying }, { time: { idleMsMax: 300 } });
  const answer = await upload(
    gate,
    Buffer.concat([bytes, bytes, bytes, bytes]),
    `sha256:${createHash('sha256').update(bytes).update(bytes).update(bytes).update(bytes).digest('hex')}`,
  );
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get('x-bigo-missing'), 'stuck, dying');
});

test('an upload whose client stands still is ended, and no store waits for it', async () => {
  let closed = false;
  const a = await scripted((req, res) => {
    if (req.method === 'HEAD') return void res.writeHead(404).end();
    req.on('close', () => (closed = true)).resume();
  });
  const gate = await rig({ a }, { time: { receiveMsMax: 200 } });
  const half = new ReadableStream({ start: controller => controller.enqueue(new Uint8Array(1000)) });
  const answer = await fetch(`${gate.url}/api/blobs/${digest}`, {
    method: 'POST',
    body: half,
    duplex: 'half',
  }).catch(() => undefined);
  assert.ok(answer === undefined || answer.status === 408);
  await until('ended there', () => closed);
});

test('an upload whose client leaves is ended on every store', async () => {
  let asked = 0;
  let closed = 0;
  const taker: RequestListener = (req, res) => {
    if (req.method === 'HEAD') return void res.writeHead(404).end();
    asked++;
    req.on('close', () => closed++).resume();
  };
  const gate = await rig({ a: await scripted(taker), b: await scripted(taker) });
  const client = new AbortController();
  const half = new ReadableStream({ start: controller => controller.enqueue(new Uint8Array(1000)) });
  const answer = fetch(`${gate.url}/api/blobs/${digest}`, {
    method: 'POST',
    body: half,
    duplex: 'half',
    signal: client.signal,
  }).catch(() => {});
  await until('begun on both', () => asked === 2);
  client.abort();
  await answer;
  await until('ended on both', () => closed === 2);
});

test('a create is made on every store that holds its base, and says success last and once', async () => {
  const has = { models: [{ name: 'base' }] };
  const [a, b, c] = [await fake(has), await fake(has), await fake()];
  const gate = await rig({ a, b, c });
  const lines = await linesOf(
    await post(gate, '/api/create', { model: 'mine', from: 'base', system: 'Be brief.' }),
  );
  assert.deepEqual([lines.at(-2)?.status, lines.at(-1)?.status], ['writing manifest', 'success']);
  assert.equal(lines.filter(line => line.status === 'success').length, 1);
  assert.deepEqual(await Promise.all([a, b, c].map(namesAt)), [
    ['base:latest', 'mine:latest'],
    ['base:latest', 'mine:latest'],
    [],
  ]);
  const plain = await post(gate, '/api/create', { model: 'two', from: 'base', stream: false });
  assert.deepEqual([plain.status, await plain.json()], [200, { status: 'success' }]);
});

test('a create from files needs them on each store: one that lacks them is named and there is no success', async () => {
  const [a, b] = [await fake(), await fake()];
  const gate = await rig({ a, b });
  await fetch(`${a.url}/api/blobs/${digest}`, { method: 'POST', body: new Uint8Array(bytes) });
  const body = { model: 'mine', files: { 'x.gguf': digest } };
  const lines = await linesOf(await post(gate, '/api/create', body));
  assert.equal(lines.at(-1)?.error, `b: blob "${digest}" was not uploaded (done on a)`);
  await upload(gate);
  const again = await linesOf(await post(gate, '/api/create', body));
  assert.equal(again.at(-1)?.status, 'success');
  assert.deepEqual([await namesAt(a), await namesAt(b)], [['mine:latest'], ['mine:latest']]);
});

test('a store that is away during a create from files is named as one that must be given them again', async () => {
  const [a, b] = [await fake(), await fake()];
  const gate = await rig({ a, b });
  await down(b, gate.fleet, 'b');
  assert.equal((await upload(gate)).status, 201);
  const lines = await linesOf(
    await post(gate, '/api/create', { model: 'mine', files: { 'x.gguf': digest } }),
  );
  assert.match(
    lines.at(-2)?.status ?? '',
    /^b does not have it yet .*create the model again when it is back$/,
  );
  assert.equal(lines.at(-1)?.status, 'success');
});
