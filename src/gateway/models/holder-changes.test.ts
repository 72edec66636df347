// Deletes and copies through a whole gateway: every holder makes them, who is away later. Never a backend outside loopback.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  asked,
  closers,
  down,
  fake,
  http,
  linesOf,
  namesAt,
  post,
  rig,
  type Line,
} from '../../../test/gateway/model-stores.ts';
import { until } from '../../../test/tools/until.ts';
import { startRig } from './rig.ts';

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
