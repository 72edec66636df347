// The curated models beside a registry on loopback that knows some of them, refuses, or is away.
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, beforeEach, test } from 'node:test';
import { createHttpClient } from '../platform/http.ts';
import { Catalogue } from './catalogue.ts';
import { CURATED } from './core/catalogue.ts';

const client = createHttpClient({ connectMsMax: 2_000 });
after(() => client.close());
const asked: string[] = [];
let statusOf: (path: string) => number = () => 200;
let server: http.Server;
let url = '';
let nowMs = 0;
const clock = { nowMs: () => nowMs, wallIso: () => '', wallMs: () => nowMs };
const hourMs = 3_600_000;

beforeEach(async () => {
  asked.length = 0;
  statusOf = () => 200;
  server = http.createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(statusOf(req.url ?? '')).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise(resolve => (server.closeAllConnections(), server.close(resolve))));

test('a name that the registry has not any more is not proposed, and it is asked once in an hour', async () => {
  statusOf = path => (path === '/v2/library/phi4-mini/manifests/latest' ? 404 : 200);
  const catalogue = new Catalogue(client, clock, url);
  const [first, second] = await Promise.all([catalogue.read(), catalogue.read()]);
  assert.deepEqual(first, second);
  assert.equal(first.source, 'registry');
  assert.ok(!first.models.some(({ name }) => name === 'phi4-mini'));
  assert.equal(first.models.length, CURATED.length - 1);
  assert.equal(asked.length, CURATED.length);
  assert.ok(asked.includes('HEAD /v2/library/smollm2/manifests/135m'));
  nowMs += hourMs;
  statusOf = () => 200;
  assert.equal((await catalogue.read()).models.length, CURATED.length);
});

test('what was found is proposed on while the registry is away', async () => {
  statusOf = path => (path.includes('phi4-mini') ? 404 : 200);
  const catalogue = new Catalogue(client, clock, url);
  await catalogue.read();
  nowMs += hourMs;
  statusOf = () => 503;
  const view = await catalogue.read();
  assert.deepEqual([view.source, view.models.length], ['cache', CURATED.length - 1]);
});

test('without a registry there is the file, and nobody is asked when nobody may be', async () => {
  statusOf = () => 401;
  assert.equal((await new Catalogue(client, clock, url).read()).source, 'file');
  const before = asked.length;
  const view = await new Catalogue(client, clock, undefined).read();
  assert.deepEqual([view.source, view.models.length], ['file', CURATED.length]);
  assert.equal(asked.length, before);
});
