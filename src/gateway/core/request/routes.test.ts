// The allow-list: every served route is found, and nothing that is merely like one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialectOfPath, matchRoute, RouteError, ROUTES } from './routes.ts';

const digest = 'a'.repeat(64);

test('every route is reached by its own method and path, with or without a query', () => {
  for (const route of ROUTES) {
    const path = route.path.replace(':digest', `sha256:${digest}`).replace(':model', 'm');
    for (const target of [path, `${path}?beta=true`]) {
      const match = matchRoute(route.method, target);
      assert.ok(!(match instanceof RouteError), target);
      assert.equal(match.route, route);
    }
  }
});

test('ids name one path each, and only model-changing routes want the admin role', () => {
  const pathOf = new Map<string, string>();
  for (const route of ROUTES) {
    assert.equal(pathOf.get(route.id) ?? route.path, route.path);
    pathOf.set(route.id, route.path);
    assert.equal(route.admin, route.kind === 'change' || route.kind === 'blob', route.id);
  }
});

const unknown = [
  '',
  '*',
  '/api',
  '/api/',
  '/api/chat/',
  '/api//chat',
  '//api/chat',
  '/api/./chat',
  '/api/../api/chat',
  '/api/%63hat',
  '/api%2Fchat',
  '/api/chat%00',
  '/api/chat%20',
  '/api/chat ',
  '/API/chat',
  '/api/Chat',
  '/api/chat;x=1',
  '/api/chat#x',
  '/api\\chat',
  'api/chat',
  'http://localhost/api/chat',
  '/debug/pprof',
  '/debug/pprof/heap',
  '/debug/vars',
  '/metrics',
  '/v1',
  '/v1/',
  '/v1/models/',
  '/v1/models//',
  '/v1/models/a/b',
  '/v1/models/..',
  '/v1/models/.',
  '/v1/models/%2e%2e',
  '/v1/models/%2e%2e%2f%2e%2e%2fapi%2fdelete',
  '/v1/models/a%2f..%2fb',
  '/v1/models/a%2f%2fb',
  '/v1/models/%2fetc',
  '/v1/models/a%00',
  '/v1/models/a%0d%0aX: y',
  '/v1/models/%ff',
  '/v1/models/%zz',
  '/v1/models/%',
  `/v1/models/${'a'.repeat(2000)}`,
  '/v1/models/:model/x',
  '/api/blobs/:digest',
  '/api/blobs/',
  '/api/blobs',
  `/api/blobs/../sha256:${digest}`,
  '/api/user/keys/',
  '/v1/messages/count_tokens/',
  '/v1/engines',
  '/bigo/v1/fleet',
  '/ui/',
];
for (const path of unknown) {
  test(`no route: ${JSON.stringify(path.slice(0, 60))}`, () => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const match = matchRoute(method, path);
      assert.ok(match instanceof RouteError, JSON.stringify(match));
      assert.ok(match.code === 'unknown_path' || path === '/api/blobs/:digest', match.code);
    }
  });
}

test('an account or cloud route is refused as not offered', () => {
  for (const path of [
    '/api/me',
    '/api/signout',
    '/api/user/keys/abc',
    '/api/experimental/web_search',
    '/api/experimental/web_fetch',
    '/api/experimental/model-recommendations',
    '/v1/images/generations',
  ]) {
    const match = matchRoute('POST', path);
    assert.ok(match instanceof RouteError && match.code === 'not_served', path);
    assert.equal(match.status, 403);
  }
});

test('a wrong method is answered with the right ones', () => {
  for (const [method, path, allow] of [
    ['GET', '/api/chat', ['POST']],
    ['POST', '/api/tags', ['GET', 'HEAD']],
    ['HEAD', '/api/ps', ['GET']],
    ['POST', '/api/delete', ['DELETE']],
    ['PUT', `/api/blobs/sha256:${digest}`, ['HEAD', 'POST']],
    ['POST', '/v1/models/m', ['GET']],
    ['OPTIONS', '/v1/messages', ['POST']],
    ['post', '/api/chat', ['POST']],
  ] as const) {
    const match = matchRoute(method, path);
    assert.ok(match instanceof RouteError && match.code === 'wrong_method', path);
    assert.deepEqual(match.allow, allow);
  }
});

test('a model in the path is decoded once', () => {
  const model = (part: string): unknown => {
    const match = matchRoute('GET', `/v1/models/${part}`);
    return match instanceof RouteError ? match.code : match.params['model'];
  };
  assert.equal(model('llama3.2:1b'), 'llama3.2:1b');
  assert.equal(model('llama3.2%3A1b'), 'llama3.2:1b');
  assert.equal(model('hf.co%2Fa%2Fb%3Aq4'), 'hf.co/a/b:q4');
  assert.equal(model('a%2541'), 'a%41');
});

test('a digest is a whole sha256, in either spelling that Ollama takes', () => {
  const at = (part: string): unknown => {
    const match = matchRoute('HEAD', `/api/blobs/${part}`);
    return match instanceof RouteError ? match.code : match.params['digest'];
  };
  assert.equal(at(`sha256:${digest}`), `sha256:${digest}`);
  assert.equal(at(`sha256-${digest}`), `sha256:${digest}`);
  assert.equal(at(`sha256%3A${digest}`), `sha256:${digest}`);
  assert.equal(at('sha256:abc'), 'bad_request');
  assert.equal(at(`md5:${digest}`), 'bad_request');
  assert.equal(at(`sha256:${digest}0`), 'bad_request');
});

test('the prefix of a path tells its dialect', () => {
  const dialects = {
    '/api/chat': 'ollama',
    '/nothing': 'ollama',
    '/v1/chat/completions': 'openai',
    '/v1/messagesx': 'openai',
    '/v1/messages': 'anthropic',
    '/v1/messages/batches': 'anthropic',
    '/bigo/v1/tasks': 'bigo',
  };
  for (const [path, dialect] of Object.entries(dialects)) assert.equal(dialectOfPath(path), dialect);
});
