// Tests made of the OpenAPI document that the server itself serves: every route, every field, every error it tells of.
// Never a list of its own: a route or a field that is added to the document is tried, or fails here.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'node:http';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKey } from '../../src/gateway/keys.ts';
import { aManager, type ManagerRig, type RigOptions } from './rig.ts';
import { fits, pathsOf, type Schema } from './schema.ts';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly schema: Schema;
}
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  /** Of POST routes. */
  readonly 'x-bigo-body-bytes-max': number;
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
  readonly responses: Readonly<
    Record<string, { readonly content?: Record<string, { readonly schema: Schema }> }>
  >;
}
interface Route {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

const answerMsMax = 60_000;

async function call(
  url: string,
  method: string,
  input: { body?: unknown; headers?: object } = {},
): Promise<Answer> {
  const { body, headers } = input;
  const stop = new AbortController();
  const response = await fetch(url, {
    method,
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(answerMsMax)]),
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('application/json')) {
    stop.abort();
    return { status: response.status, type, body: undefined };
  }
  return { status: response.status, type, body: await response.json() };
}

async function routesOf(url: string): Promise<Route[]> {
  const { body } = await call(`${url}/api/openapi.json`, 'GET');
  const { paths } = body as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([at, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path: at,
      operation,
    })),
  );
}

/** What is said where any value that fits would not lead to an answer. */
const BODIES: Readonly<Record<string, object>> = {
  pull: { model: 'new:1' },
  delete: { model: 'm:2' },
  generate: { model: 'm:1', prompt: 'x' },
  chat: { model: 'm:1', messages: [{ role: 'user', content: 'x' }], stream: false },
  track: { model: 'm:1' },
  deploy: { model_id: 'm:1', deployment_name: 'd', memory: '1Gi' },
  undeploy: { deployment_name: 'd' },
  report: {
    source: 's',
    available_models: ['a'],
    missing_models: ['b'],
    timestamp: 'now',
    status: 'ok',
    message: 'm',
  },
  drain: { backend: 'one', drain: true },
};
const QUERIES: Readonly<Record<string, string>> = {
  pulls: '?model=new%3A1',
  pull_cancel: '?model=new%3A1',
  history: '?hours=5',
  reports: '?limit=3',
  requests: '?limit=10',
};

function urlOf(rig: { readonly url: string }, route: Route, query = QUERIES[route.id] ?? ''): string {
  return `${rig.url}/api${route.path.replace('{model}', 'new%3A1')}${query}`;
}

function good(rig: { readonly url: string }, route: Route, headers: object = {}): Promise<Answer> {
  return call(urlOf(rig, route), route.method, { body: BODIES[route.id], headers });
}

function schemaOf({ operation }: Route, status: number): Schema | undefined {
  return operation.responses[status]?.content?.['application/json']?.schema;
}

function doneStatus({ operation }: Route): number {
  return Number(Object.keys(operation.responses).find(status => Number(status) < 300));
}

const options: RigOptions = {
  fake: { models: [{ name: 'm:1' }, { name: 'm:2' }], registry: [{ name: 'new:1' }], pullMs: 100 },
  settings: { declaredModels: ['m:1', 'absent:1'] },
};

/** Only a cluster gives these; test/cluster/manager.test.ts sees them. */
const inCluster = new Set(['deploy', 'undeploy']);
const onlyInCluster = /^(deployments\.(models\[\]|note)|models\.rows\[\]\.where\[\]\.(percent|message)$)/;

test('every route answers as the document says, and every field that it names is seen', async t => {
  const rig = await aManager(t, options);
  const routes = await routesOf(rig.url);
  const byId = new Map(routes.map(route => [route.id, route]));
  // First what the others tell of, last what takes it away.
  const first = ['generate', 'chat', 'pull', 'track', 'report', 'drain'].map(id => byId.get(id) as Route);
  const last = ['pull_cancel', 'delete', 'reset'].map(id => byId.get(id) as Route);
  const middle = routes.filter(route => !first.includes(route) && !last.includes(route));
  const seen = new Set<string>();
  for (const route of [...first, ...middle, ...last]) {
    const answer = await good(rig, route);
    if (inCluster.has(route.id)) {
      assert.equal(answer.status, 501, route.id);
      continue;
    }
    assert.equal(answer.status, doneStatus(route), `${route.id} ${JSON.stringify(answer.body)}`);
    const schema = schemaOf(route, answer.status);
    if (schema === undefined) continue;
    assert.deepEqual(fits(schema, answer.body, route.id), [], route.id);
    for (const place of pathsOf(answer.body, route.id)) seen.add(place);
  }
  const named = routes.flatMap(route => {
    const schema = inCluster.has(route.id) ? undefined : schemaOf(route, doneStatus(route));
    return schema === undefined ? [] : pathsOfSchema(schema, route.id);
  });
  const unseen = named.filter(place => !seen.has(place) && !onlyInCluster.test(place));
  assert.deepEqual(unseen, []);
});

function pathsOfSchema(schema: Schema, at: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [
    `${at}.${name}`,
    ...pathsOfSchema(inner, `${at}.${name}`),
  ]);
  const items = schema.items === undefined ? [] : pathsOfSchema(schema.items, `${at}[]`);
  const values =
    typeof schema.additionalProperties === 'object'
      ? pathsOfSchema(schema.additionalProperties, `${at}.*`)
      : [];
  return [...own, ...items, ...values];
}

/** For one field: values of every kind that its schema does not admit. */
function wrongValues(schema: Schema): unknown[] {
  const all = [
    7,
    -1,
    1.5,
    true,
    null,
    'x'.repeat(10_000),
    '../../etc/passwd',
    '<script>alert(1)</script>',
    [],
    [1],
    {},
    '',
    '\u0000',
  ];
  return all.filter(value => fits(schema, value, '').length > 0);
}

test('a field that is missing, unknown or of another kind is a 400 that names it, and nothing is done', async t => {
  const rig = await aManager(t, options);
  for (const route of await routesOf(rig.url)) {
    const schema = route.operation.requestBody?.content['application/json'].schema;
    const whole = BODIES[route.id];
    if (schema === undefined || whole === undefined) continue;
    const send = (body: unknown) => call(urlOf(rig, route), route.method, { body });
    const refused = async (body: unknown, field: string): Promise<void> => {
      const answer = await send(body);
      assert.equal(answer.status, 400, `${route.id} took ${JSON.stringify(body).slice(0, 200)}`);
      const { error } = answer.body as { error: string };
      assert.ok(error.includes(field), `${route.id}: "${error}" does not name ${field}`);
      assert.ok(error.length < 2_000);
    };
    for (const name of schema.required ?? []) {
      await refused(Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name)), name);
    }
    await refused({ ...whole, unknownField: 1 }, 'unknownField');
    for (const [name, inner] of Object.entries(schema.properties ?? {})) {
      for (const value of wrongValues(inner)) await refused({ ...whole, [name]: value }, name);
    }
  }
});

test('a parameter that is unknown or of another kind is a 400', async t => {
  const rig = await aManager(t, options);
  for (const route of await routesOf(rig.url)) {
    const parameters = (route.operation.parameters ?? []).filter(one => one.in === 'query');
    if (parameters.length === 0) continue;
    const ask = async (query: string): Promise<number> =>
      (await call(urlOf(rig, route, query), route.method)).status;
    assert.equal(await ask('?unknown=1'), 400, route.id);
    for (const { name, schema } of parameters) {
      const long = `?${name}=${'x'.repeat(5_000)}`;
      assert.equal(await ask(long), 400, `${route.id} ${name}`);
      if (schema.type === 'string') continue;
      for (const value of ['', '0', '-1', '1.5', 'x', '1e9', '%00']) {
        assert.equal(await ask(`?${name}=${value}`), 400, `${route.id} ${name}=${value}`);
      }
    }
  }
});

/** As people and scanners write them; the path is not normalised before it is sent. */
const HOSTILE_PATHS = [
  '../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '%2e%2e/%2e%2e/etc/passwd',
  '<script>alert(1)</script>',
  '%00',
  '%ff%fe',
  '%',
  'x'.repeat(10_000),
  'evil.example/a/b:c',
  'http://evil.example/a',
  '"}{',
];

test('a hostile rest of a path is answered in JSON, with no file and no script, on every route', async t => {
  const rig = await aManager(t, options);
  const { hostname, port } = new URL(rig.url);
  const raw = (method: string, at: string): Promise<{ status: number; type: string; text: string }> =>
    new Promise((resolve, reject) => {
      const req = request({ hostname, port, method, path: at }, res => {
        let text = '';
        res.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        res.on('end', () =>
          resolve({ status: res.statusCode ?? 0, type: res.headers['content-type'] ?? '', text }),
        );
      });
      req.on('error', reject).end();
    });
  for (const route of await routesOf(rig.url)) {
    for (const rest of HOSTILE_PATHS) {
      const base = route.path.includes('{') ? route.path.replace('{model}', '') : `${route.path}/`;
      const { status, type, text } = await raw(route.method, `/api${base}${rest.replaceAll(' ', '%20')}`);
      assert.ok(status < 500, `${route.id} ${rest.slice(0, 40)} gave ${status} ${text.slice(0, 200)}`);
      assert.match(type, /^application\/json/, `${route.id} ${rest.slice(0, 40)}`);
      assert.doesNotMatch(text, /root:/);
    }
  }
});

function keysFile(t: TestContext): { file: string; user: string } {
  const dir = mkdtempSync(path.join(tmpdir(), 'bigo-keys-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const key = createKey();
  const file = path.join(dir, 'keys.json');
  writeFileSync(file, JSON.stringify({ keys: [{ id: 'a', hash: key.hash, role: 'user' }] }));
  return { file, user: key.key };
}

interface Rigs {
  readonly open: ManagerRig;
  readonly withKeys: ManagerRig;
  readonly away: ManagerRig;
}

/** How each error of the document is made to happen on any route. */
const PROVOKE: Readonly<Record<string, (rigs: Rigs, route: Route) => Promise<Answer>>> = {
  400: ({ open }, route) =>
    route.operation.requestBody === undefined
      ? call(urlOf(open, route, '?unknown=1'), route.method)
      : call(urlOf(open, route), route.method, { body: { unknownField: 1 } }),
  401: ({ withKeys }, route) => call(urlOf(withKeys, route), route.method),
  403: ({ open }, route) => {
    const headers = { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' };
    return call(urlOf(open, route), route.method, { headers });
  },
  404: ({ open }, route) =>
    route.method === 'DELETE'
      ? call(urlOf(open, route, '?id=none'), 'DELETE')
      : call(urlOf(open, route), route.method, { body: { model: 'nowhere:1' } }),
  413: ({ open }, route) =>
    call(urlOf(open, route), route.method, {
      body: 'x'.repeat(route.operation['x-bigo-body-bytes-max'] + 1),
    }),
  415: ({ open }, route) =>
    call(urlOf(open, route), route.method, { body: '{}', headers: { 'content-type': 'text/plain' } }),
  501: ({ open }, route) => good(open, route),
  502: ({ away }, route) => good(away, route),
};

test('every error that the document names comes about, in the form that it tells', async t => {
  const { file } = keysFile(t);
  const open = await aManager(t, options);
  const away = await aManager(t, options);
  const settings = { keysFile: file, adminToken: 'token-of-the-test' };
  const rigs = { open, away, withKeys: await aManager(t, { settings }) };
  await away.stopGateway();
  // Who calls is known for a few seconds: until then the manager answers by itself what it can.
  while ((await call(`${away.url}/api/usage`, 'GET')).status !== 502) await sleep(50);
  for (const route of await routesOf(open.url)) {
    const errors = Object.keys(route.operation.responses).filter(status => Number(status) >= 400);
    assert.ok(errors.length > 0, route.id);
    for (const status of errors) {
      const answer = await PROVOKE[status]?.(rigs, route);
      assert.equal(answer?.status, Number(status), `${route.id} ${JSON.stringify(answer?.body)}`);
      const body = answer?.body as Record<string, unknown>;
      assert.deepEqual(
        [body['success'], typeof body['error'], typeof body['code'], typeof body['next']],
        [false, 'string', 'string', 'string'],
        route.id,
      );
      assert.doesNotMatch(String(body['error']), /\n|node:|\.ts:/);
    }
  }
});
