// The model-changing routes through a whole gateway, over two or three fake Ollamas. Never a backend outside loopback.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFakeOllama, type FakeOllama } from '../../../test/fakes/ollama/server.ts';
import { startRig, type Rig, type RigOptions } from './rig.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type FakeOptions = Parameters<typeof startFakeOllama>[0];
interface Line {
  status?: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: string;
}

async function fake(options: FakeOptions = {}): Promise<FakeOllama> {
  const server = await startFakeOllama({
    models: [],
    registry: [{ name: 'new', sizeBytes: 1000 }],
    ...options,
  });
  closers.push(() => server.stop().catch(() => {}));
  return server;
}

async function http(listener: RequestListener): Promise<{ url: string }> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Answers what every poll asks; `change` does the rest. */
function scripted(change: RequestListener): Promise<{ url: string }> {
  return http((req, res) => {
    if (req.url === '/api/version') res.end('{"version":"0.24.0"}');
    else if (req.method === 'GET') res.end('{"models":[]}');
    else change(req, res);
  });
}

async function rig(backends: Record<string, { url: string }>, more: Partial<RigOptions> = {}): Promise<Rig> {
  const named = Object.entries(backends).map(([name, { url }]) => ({ name, url }));
  const started = await startRig({ backends: named, ...more });
  closers.push(() => started.stop());
  return started;
}

function post({ url }: Rig, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url + path, { method: 'POST', body: JSON.stringify(body), ...init });
}

const tagsOf = (models: readonly { name: string; sizeBytes: number }[]): object[] =>
  models.map(({ name, sizeBytes }, index) => ({
    name: `${name}:latest`,
    model: `${name}:latest`,
    size: sizeBytes,
    digest: String(index).repeat(64),
    modified_at: '2026-01-01T00:00:00Z',
    details: {},
  }));

async function json(req: AsyncIterable<Buffer>): Promise<{ source: string }> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as { source: string };
}

const linesOf = async (answer: Response): Promise<Line[]> =>
  (await answer.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Line);

async function namesAt({ url }: { url: string }): Promise<string[]> {
  const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(model => model.name).sort();
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await holds()) return;
    await sleep(20);
  }
  assert.fail(`never: ${what}`);
}

const asked = (server: FakeOllama, path: string): number =>
  server.state().seen.filter(seen => seen.url === path).length;
const down = async (server: FakeOllama, fleet: Rig['fleet'], name: string): Promise<void> => {
  await server.stop();
  await until(`${name} is down`, () =>
    fleet.snapshot().backends.some(({ spec, state }) => spec.name === name && state === 'down'),
  );
};

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
  let release = (): void => {};
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
  await sleep(200);
  release();
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
  let kill = (): void => {};
  const dying = await scripted((req, res) => {
    res.write('{"status":"pulling manifest"}\n');
    kill = () => void req.socket.destroy();
  });
  const gate = await rig({ a: await fake(), dying });
  const answer = post(gate, '/api/pull', { model: 'new' });
  await sleep(100);
  kill();
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

test('backends of one store are asked once, through one of them', async () => {
  const a = await fake();
  const started = await startRig({
    backends: [
      { name: 'x', url: a.url, store: 's' },
      { name: 'y', url: a.url, store: 's' },
    ],
  });
  closers.push(() => started.stop());
  await linesOf(await post(started, '/api/pull', { model: 'new' }));
  assert.equal(asked(a, '/api/pull'), 1);
});

test('placement decides who gets a model', async () => {
  const [a, b] = [await fake(), await fake()];
  const gate = await rig({ a, b }, { placement: key => (key === 'new:latest' ? ['b'] : undefined) });
  await linesOf(await post(gate, '/api/pull', { model: 'new' }));
  assert.deepEqual([await namesAt(a), await namesAt(b)], [[], ['new:latest']]);
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

test('a delete reaches every holder and nobody else; the lists show it at once', async () => {
  const has = { models: [{ name: 'm' }, { name: 'n' }] };
  const [a, b, c] = [await fake(has), await fake(has), await fake()];
  const gate = await rig({ a, b, c });
  const answer = await post(gate, '/api/delete', { model: 'm' }, { method: 'DELETE' });
  assert.deepEqual([answer.status, await answer.text()], [200, '']);
  assert.deepEqual(await namesAt(gate), ['n:latest']);
  assert.equal(asked(c, '/api/delete'), 0);
  const again = await post(gate, '/api/delete', { model: 'm' }, { method: 'DELETE' });
  assert.deepEqual([again.status, await again.json()], [404, { error: "model 'm' not found" }]);
});

test('a holder that is away makes a delete 502 with its name, and it is done there when it returns', async () => {
  const has = { models: [{ name: 'm' }, { name: 'n' }] };
  const [a, b] = [await fake(has), await fake(has)];
  const { port } = b;
  const gate = await rig({ a, b });
  await down(b, gate.fleet, 'b');
  const answer = await post(gate, '/api/delete', { model: 'm' }, { method: 'DELETE' });
  assert.equal(answer.status, 502);
  assert.match(((await answer.json()) as Line).error ?? '', /^b: it does not answer/);
  assert.deepEqual(await namesAt(a), ['n:latest']);
  const back = await fake({ ...has, port });
  await until('deleted there too', async () => !(await namesAt(back)).includes('m:latest'));
});

test('a pull after a missed delete takes its place: the store that returns keeps the model', async () => {
  const has = { models: [{ name: 'new' }] };
  const [a, b] = [await fake(has), await fake(has)];
  const { port } = b;
  const gate = await rig({ a, b });
  await down(b, gate.fleet, 'b');
  await post(gate, '/api/delete', { model: 'new' }, { method: 'DELETE' });
  await linesOf(await post(gate, '/api/pull', { model: 'new' }));
  const back = await fake({ ...has, port });
  await until('pulled', () => asked(back, '/api/pull') === 1);
  assert.equal(asked(back, '/api/delete'), 0);
});

test('missed changes outlive a restart of the gateway when there is a file for them', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bigo-remembered-'));
  closers.push(() => rmSync(dir, { recursive: true }));
  const rememberedFile = join(dir, 'state', 'remembered.json');
  const has = { models: [{ name: 'm' }] };
  const [a, b] = [await fake(has), await fake(has)];
  const { port } = b;
  const first = await startRig({
    backends: [
      { name: 'a', url: a.url },
      { name: 'b', url: b.url },
    ],
    rememberedFile,
  });
  await down(b, first.fleet, 'b');
  await post(first, '/api/delete', { model: 'm' }, { method: 'DELETE' });
  await first.stop();
  assert.match(readFileSync(rememberedFile, 'utf8'), /"kind":"delete","store":"b"|"store":"b"/);
  const back = await fake({ ...has, port });
  await rig({ a, b: back }, { rememberedFile });
  await until('deleted there too', async () => !(await namesAt(back)).includes('m:latest'));
  await until('forgotten', () => readFileSync(rememberedFile, 'utf8') === '[]');
});

test('a copy is made by every holder of its source', async () => {
  const [a, b, c] = [
    await fake({ models: [{ name: 'm' }] }),
    await fake({ models: [{ name: 'm' }] }),
    await fake(),
  ];
  const gate = await rig({ a, b, c });
  const answer = await post(gate, '/api/copy', { source: 'm', destination: 'mine' });
  assert.equal(answer.status, 200);
  assert.deepEqual(await Promise.all([a, b, c].map(namesAt)), [
    ['m:latest', 'mine:latest'],
    ['m:latest', 'mine:latest'],
    [],
  ]);
  assert.deepEqual(await namesAt(gate), ['m:latest', 'mine:latest']);
  const none = await post(gate, '/api/copy', { source: 'nowhere', destination: 'mine' });
  assert.equal(none.status, 404);
});

test('copies to one name that come together end the same on every store', async () => {
  const models = ['one', 'two'].map(name => ({ name, sizeBytes: 1000 }));
  const stores = await Promise.all(
    [0, 1].map(async index => {
      const made: string[] = [];
      const { url } = await http((req, res) => {
        if (req.url === '/api/version') return void res.end('{"version":"0.24.0"}');
        if (req.method === 'GET') return void res.end(JSON.stringify({ models: tagsOf(models) }));
        if (req.url !== '/api/copy') return void res.end('{}');
        void json(req).then(async ({ source }) => {
          // Each store is slow with another one of the two.
          await sleep((source === 'one') === (index === 0) ? 60 : 0);
          made.push(source);
          res.end();
        });
      });
      return { url, made };
    }),
  );
  const [a, b] = stores as [(typeof stores)[0], (typeof stores)[0]];
  const gate = await rig({ a, b });
  const copies = ['one', 'two'].map(source => post(gate, '/api/copy', { source, destination: 'both' }));
  assert.deepEqual(
    (await Promise.all(copies)).map(answer => answer.status),
    [200, 200],
  );
  assert.equal(a.made.length, 2);
  assert.deepEqual(a.made, b.made);
});

test('a push goes to one holder', async () => {
  const [a, b] = [await fake(), await fake({ models: [{ name: 'm' }] })];
  const gate = await rig({ a, b });
  const lines = await linesOf(await post(gate, '/api/push', { model: 'm' }));
  assert.deepEqual([lines[0]?.status, lines.at(-1)?.status], ['retrieving manifest', 'success']);
  assert.deepEqual([asked(a, '/api/push'), asked(b, '/api/push')], [0, 1]);
  const none = await post(gate, '/api/push', { model: 'nowhere' });
  assert.equal(none.status, 404);
});

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
  let closed = 0;
  const taker: RequestListener = (req, res) => {
    if (req.method === 'HEAD') return void res.writeHead(404).end();
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
  await sleep(200);
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

test('bad names and bodies are refused before any store is asked', async () => {
  const a = await fake();
  const gate = await rig({ a });
  const bad: readonly (readonly [string, unknown])[] = [
    ['/api/pull', { model: '../../etc/passwd:x/y' }],
    ['/api/pull', {}],
    ['/api/create', { model: '', from: 'x' }],
    ['/api/copy', { source: 'a' }],
    ['/api/copy', { source: 'a', destination: 'b c' }],
    ['/api/push', { model: 'a:b:c/d' }],
  ];
  for (const [path, body] of bad) {
    const answer = await post(gate, path, body);
    assert.equal(answer.status, 400, `${path} ${JSON.stringify(body)}: ${await answer.text()}`);
  }
  const asks = a.state().seen.filter(({ method, url }) => method !== 'GET' && url !== '/api/show');
  assert.deepEqual(asks, []);
});
