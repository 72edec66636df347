// The manager's API over HTTP: every route of the table, what it refuses, pulls, usage, roles.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createKey } from '../../src/gateway/keys.ts';
import { API_ROUTES, type RouteId } from '../../src/manager/core/routes.ts';
import { untilSeen } from '../tools/until.ts';
import { aManager, type ManagerRig } from './rig.ts';

interface Answer {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

async function call(url: string, method: string, body?: unknown, headers: object = {}): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** One good call of each JSON route; the table decides which there are. */
const GOOD: Partial<Record<RouteId, { path: string; body?: object; status?: number }>> = {
  health: { path: '/health' },
  whoami: { path: '/whoami' },
  deployments: { path: '/deployments' },
  deploy: { path: '/deploy', body: { model_id: 'm', deployment_name: 'd' }, status: 501 },
  undeploy: { path: '/delete', body: { deployment_name: 'd' }, status: 501 },
  gpu: { path: '/gpu/status' },
  models: { path: '/ollama/models' },
  pull: { path: '/ollama/pull', body: { model: 'gone:1' } },
  pulls: { path: '/ollama/pull/progress' },
  pull_progress: { path: '/ollama/pull/progress/hf.co/a/b:c' },
  pull_cancel: { path: '/ollama/pull?model=gone:1' },
  catalogue: { path: '/ollama/gguf-models' },
  usage: { path: '/usage' },
  ranking: { path: '/usage/ranking' },
  history: { path: '/usage/history?hours=2' },
  track: { path: '/usage/track', body: { model: 'm' } },
  reset: { path: '/usage/reset' },
  report: {
    path: '/health/report',
    body: { source: 's', available_models: ['a'], missing_models: [], timestamp: 'now' },
  },
  reports: { path: '/health/reports?limit=5' },
  problems: { path: '/health/problems' },
  fleet: { path: '/fleet' },
  requests: { path: '/requests' },
  settings: { path: '/settings' },
  drain: { path: '/drain', body: { backend: 'one', drain: false } },
  delete: { path: '/ollama/delete', body: { model: 'm:1' } },
};

test('every route answers with the status and the shape that the document tells', async t => {
  const { url } = await aManager(t);
  const document = (await call(`${url}/api/openapi.json`, 'GET')).body;
  for (const route of API_ROUTES) {
    const told = document.paths[route.path.replace(/\*(\w+)/, '{$1}')]?.[route.method.toLowerCase()];
    assert.equal(told?.operationId, route.id);
    if (route.answer === undefined) continue;
    const good = GOOD[route.id];
    assert.ok(good, `no call for ${route.id}`);
    const answer = await call(`${url}/api${good.path}`, route.method, good.body);
    assert.equal(answer.status, good.status ?? route.status, `${route.id} ${JSON.stringify(answer.body)}`);
    if (good.status !== undefined) continue;
    const shape = route.answer.safeParse(answer.body);
    assert.ok(shape.success, `${route.id}: ${shape.error?.message}`);
  }
});

const HOSTILE = [
  '../../etc/passwd',
  '<script>alert(1)</script>',
  'x'.repeat(10_000),
  'a b',
  '',
  'a/b/c/d/e',
  '\u0000',
];

test('bad input is refused in words, whatever it is, on every route that takes some', async t => {
  const { url } = await aManager(t);
  for (const route of API_ROUTES.filter(({ body }) => body !== undefined)) {
    const at = `${url}/api${route.path}`;
    const bodies = ['{', '[]', 'null', '"x"', '{}', '{"unknown":1}', '{"model":7}', 'x'.repeat(5_000_000)];
    const named = HOSTILE.map(model => JSON.stringify({ model, deployment_name: model, backend: model }));
    for (const body of [...bodies, ...named]) {
      const { status, body: said } = await call(at, 'POST', body).catch(() => ({
        status: 413,
        body: undefined,
      }));
      assert.ok(status >= 400 && status < 500, `${route.id} ${body.slice(0, 60)} gave ${status}`);
      if (said !== undefined) assert.deepEqual(Object.keys(said), ['success', 'error', 'code', 'next']);
    }
    assert.equal((await call(at, 'POST', '{}', { 'content-type': 'text/plain' })).status, 415, route.id);
  }
});

test('unknown paths are 404, other methods 405, odd queries 400', async t => {
  const { url } = await aManager(t);
  assert.equal((await call(`${url}/api/nothing`, 'GET')).status, 404);
  assert.equal((await call(`${url}/api/ollama/pull`, 'GET')).status, 405);
  for (const query of ['limit=0', 'limit=x', 'other=1']) {
    assert.equal((await call(`${url}/api/requests?${query}`, 'GET')).status, 400, query);
  }
});

/** fetch sets these headers itself. */
function status(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, answer => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

test('a page of another origin may not call, and a foreign Host name is refused', async t => {
  const { url } = await aManager(t);
  const api = `${url}/api/usage`;
  assert.equal(await status(api, {}), 200);
  assert.equal(await status(api, { origin: url }), 200);
  for (const origin of ['http://evil.example', 'http://localhost:3000', 'null']) {
    assert.equal(await status(api, { origin }), 403, origin);
  }
  assert.equal(await status(api, { 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await status(api, { host: 'evil.example' }), 403);
});

test('a pull goes on alone, two callers follow the same, and names with slashes are found', async t => {
  const name = 'hf.co/org/model:Q4_K_M';
  const { url, fake } = await aManager(t, { fake: { registry: [{ name }], pullMs: 3_000 } });
  const first = await call(`${url}/api/ollama/pull`, 'POST', { model: name });
  const second = await call(`${url}/api/ollama/pull`, 'POST', { model: name });
  assert.deepEqual([first.status, second.body.already, second.body.id], [202, true, first.body.id]);
  const look = async () => (await call(`${url}/api/ollama/pull/progress/${name}`, 'GET')).body;
  const done = await untilSeen('the end of the pull', look, ({ status: now }) => now !== 'running');
  assert.deepEqual([done.status, done.progress], ['success', 100]);
  const query = await call(`${url}/api/ollama/pull/progress?model=${encodeURIComponent(name)}`, 'GET');
  assert.equal(query.body.pulls[0].id, first.body.id);
  assert.ok(fake.state().seen.filter(seen => seen.url === '/api/pull').length <= 1);
  const usage = async () => (await call(`${url}/api/usage`, 'GET')).body.models;
  assert.equal((await untilSeen('the count', usage, models => models[name] !== undefined))[name].pulls, 1);
});

test('a pull of what does not exist fails with its words; a cancelled one stops', async t => {
  const { url } = await aManager(t, { fake: { registry: [{ name: 'slow:1' }], pullMs: 20_000 } });
  await call(`${url}/api/ollama/pull`, 'POST', { model: 'gone:1' });
  const look = (model: string) => async () =>
    (await call(`${url}/api/ollama/pull/progress/${model}`, 'GET')).body;
  const failed = await untilSeen(
    'the end of the pull',
    look('gone:1'),
    ({ status: now }) => now !== 'running',
  );
  assert.equal(failed.status, 'failed');
  assert.match(failed.error, /does not exist/);
  const { body } = await call(`${url}/api/ollama/pull`, 'POST', { model: 'slow:1' });
  assert.equal((await call(`${url}/api/ollama/pull?id=${body.id}`, 'DELETE')).body.status, 'cancelled');
  assert.equal((await look('slow:1')()).status, 'cancelled');
});

test('usage is what the clients saw, by model', async t => {
  const { url, gateway } = await aManager(t);
  const ask = { model: 'm:1', prompt: 'x', stream: false };
  for (let n = 0; n < 5; n++)
    assert.equal((await call(`${gateway.url}/api/generate`, 'POST', ask)).status, 200);
  assert.equal((await call(`${url}/api/ollama/generate`, 'POST', { model: 'm:1' })).status, 200);
  const look = async () => (await call(`${url}/api/usage/ranking`, 'GET')).body;
  const told = await untilSeen('six requests', look, ({ total_requests: total }) => total >= 6);
  assert.deepEqual(told.models, [{ rank: 1, model: 'm:1', count: 6, usage_percent: 100 }]);
});

test('without a gateway the manager lives, says so, and is ready to show it', async t => {
  const { url, stopGateway } = await aManager(t);
  assert.deepEqual((await call(`${url}/api/health`, 'GET')).body.status, 'healthy');
  await stopGateway();
  const health = await call(`${url}/api/health`, 'GET');
  assert.deepEqual(
    [health.status, health.body.status, health.body.kubernetes],
    [503, 'unhealthy', 'not used'],
  );
  assert.equal((await call(`${url}/livez`, 'GET')).status, 200);
  assert.equal((await call(`${url}/readyz`, 'GET')).status, 200);
  // What is known of the caller goes stale after a while.
  const refused = await untilSeen(
    'word that no gateway is there',
    () => call(`${url}/api/usage`, 'GET'),
    answer => answer.status !== 200,
  );
  assert.deepEqual([refused.status, refused.body.code], [502, 'gateway_away']);
});

function keysFile(t: TestContext): { file: string; keys: Record<'admin' | 'user', string> } {
  const dir = mkdtempSync(path.join(tmpdir(), 'bigo-keys-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [admin, user] = [createKey(), createKey()];
  const entry = (id: 'admin' | 'user', hash: string) => ({ id, hash, role: id });
  const file = path.join(dir, 'keys.json');
  writeFileSync(file, JSON.stringify({ keys: [entry('admin', admin.hash), entry('user', user.hash)] }));
  return { file, keys: { admin: admin.key, user: user.key } };
}

test('with keys on, every route wants the role that the table names', async t => {
  const { file, keys } = keysFile(t);
  const rig: ManagerRig = await aManager(t, {
    settings: { keysFile: file, adminToken: 'token-of-the-test' },
  });
  const may = async (route: (typeof API_ROUTES)[number], key: string | undefined) => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const at = `${rig.url}/api${route.path.replace('*model', 'x')}`;
    const stop = new AbortController();
    const init = { method: route.method, headers, signal: stop.signal };
    const { status: code } = await fetch(at, init);
    stop.abort();
    return code !== 401 && code !== 403;
  };
  for (const route of API_ROUTES) {
    const told = [await may(route, undefined), await may(route, keys.user), await may(route, keys.admin)];
    const wanted = { open: [true, true, true], user: [false, true, true], admin: [false, false, true] }[
      route.role
    ];
    assert.deepEqual(told, wanted, route.id);
  }
  const who = await call(`${rig.url}/api/whoami`, 'GET', undefined, { 'x-api-key': keys.user });
  assert.deepEqual(who.body, { tenant: 'user', role: 'user', keys: true });
});

test('events bring fleet, pulls and requests, and end with the manager', async t => {
  const { url, manager } = await aManager(t);
  const response = await fetch(`${url}/api/events`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const names = ['fleet', 'pulls', 'requests', 'stats'];
    if (names.every(name => text.includes(`event: ${name}\n`))) manager.endPages();
  }
  assert.match(text, /"name":"m:1"/);
});
