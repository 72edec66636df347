// Routes, origins and hosts. Never serves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRoute, hostAllowed, originAllowed } from './router.ts';

const routes = [
  { method: 'GET', path: '/api/tags' },
  { method: 'HEAD', path: '/api/tags' },
  { method: 'HEAD', path: '/api/blobs/:digest' },
  { method: 'GET', path: '/v1/models/*model' },
];

test('a path is found with its method and its decoded parameter', () => {
  assert.deepEqual(findRoute(routes, 'HEAD', '/api/blobs/sha256%3Aab'), {
    kind: 'route',
    route: routes[2],
    parameter: 'sha256:ab',
  });
  assert.deepEqual(findRoute(routes, 'GET', '/v1/models/a/b:1'), {
    kind: 'route',
    route: routes[3],
    parameter: 'a/b:1',
  });
});

test('a wrong method names the right ones, an unknown path is unknown', () => {
  assert.deepEqual(findRoute(routes, 'POST', '/api/tags'), { kind: 'wrong_method', allow: 'GET, HEAD' });
  for (const path of ['/api', '/api/tags/', '/api/blobs/', '/api/blobs/a/b', '/api/blobs/%zz', '']) {
    assert.deepEqual(findRoute(routes, 'HEAD', path), { kind: 'unknown' }, path);
  }
});

test('only this machine may call from a browser', () => {
  for (const origin of [undefined, 'http://localhost:3000', 'https://127.0.0.1', 'app://obsidian.md'])
    assert.ok(originAllowed(origin));
  for (const origin of ['http://evil.example', 'http://localhost.evil.example', 'null'])
    assert.ok(!originAllowed(origin));
});

test('only local names and addresses are answered', () => {
  for (const host of ['localhost:11434', '127.0.0.1', '[::1]:80', 'box.local', undefined])
    assert.ok(hostAllowed(host));
  for (const host of ['evil.example', 'localhost.evil.example:80']) assert.ok(!hostAllowed(host));
});
