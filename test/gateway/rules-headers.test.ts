// Rules 17 to 20: what a backend is told and what it is not, which paths exist, and which connections are used again.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answerStream,
  answerWhole,
  chunk,
  httpAnswer,
  lastChunk,
  streamHead,
  tokenLine,
  doneLine,
} from './scripted-backend.ts';
import { CHAT, CHAT_WHOLE, until, withRig } from './rig.ts';

test('rule 17: hop-by-hop headers, and those that Connection names, go in neither direction', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) =>
      void socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: x-secret-hop\r\nx-secret-hop: 1\r\nkeep-alive: timeout=9\r\nproxy-authenticate: Basic\r\nset-cookie: a=b\r\nx-kept: yes\r\ntransfer-encoding: chunked\r\n\r\n${chunk(doneLine)}${lastChunk}`,
      );
    const answer = await rig.chat(
      {},
      {
        headers: {
          connection: 'close, x-mine',
          'x-mine': '1',
          te: 'trailers',
          trailer: 'x',
          upgrade: 'h2c',
          'proxy-authorization': 'Basic x',
          'keep-alive': '1',
        },
      },
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-kept'], 'yes');
    for (const name of ['x-secret-hop', 'proxy-authenticate', 'set-cookie'])
      assert.equal(answer.headers[name], undefined, name);
    const sent = rig.backend.seen[0]?.headers;
    for (const name of ['x-mine', 'te', 'trailer', 'upgrade', 'proxy-authorization', 'keep-alive']) {
      assert.equal(sent?.has(name), false, name);
    }
    assert.equal(sent?.get('connection'), 'keep-alive');
  }));

test('rule 17: a changed body is measured anew, and never sent with two lengths', () =>
  withRig({ settings: { aliases: { fast: 'm:latest' } } }, async rig => {
    await rig.chat({ model: 'fast' });
    const seen = rig.backend.seen[0];
    assert.equal(seen?.headers.get('content-length'), String(Buffer.byteLength(seen?.body ?? '')));
    assert.equal(seen?.headers.has('transfer-encoding'), false);
    assert.equal(JSON.parse(seen?.body ?? '').model, 'm:latest');
  }));

test('rule 18: credentials, cookies, Origin and internal headers never reach a backend; Host is the backend’s', () =>
  withRig({}, async rig => {
    await rig.chat(
      {},
      {
        headers: {
          authorization: 'Bearer canary-1',
          'x-api-key': 'canary-2',
          cookie: 'c=canary-3',
          origin: 'http://localhost:3000',
          'x-bigo-backend': 'canary-4',
          'x-bigo-hop': 'canary-5',
          'x-forwarded-for': '10.1.2.3',
          'x-request-id': 'canary-6',
        },
      },
    );
    const seen = rig.backend.seen[0];
    assert.doesNotMatch(seen?.head ?? '', /canary|origin/i);
    assert.equal(seen?.headers.get('host'), new URL(rig.backend.url).host);
    assert.equal(seen?.headers.get('x-forwarded-for'), '10.1.2.3, 127.0.0.1');
    assert.match(seen?.headers.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    assert.match(seen?.headers.get('x-request-id') ?? '', /^[\w-]+$/);
  }));

test('rule 18: headers of a backend’s configuration are sent to it', () =>
  withRig({ spec: { headers: { authorization: 'Bearer backend-key' } } }, async rig => {
    await rig.chat({}, { headers: { authorization: 'Bearer client-key' } });
    assert.equal(rig.backend.seen[0]?.headers.get('authorization'), 'Bearer backend-key');
  }));

test('rule 18: a foreign Origin or Host is refused before anything is routed', () =>
  withRig({}, async rig => {
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { host: 'evil.example' },
      { origin: 'null' },
    ];
    for (const headers of foreign) {
      const answer = await rig.chat({}, { headers });
      assert.equal(answer.status, 403, JSON.stringify(headers));
    }
    assert.equal(rig.backend.seen.length, 0);
  }));

test('rule 18: cross-origin answers are the gateway’s own', () =>
  withRig({ settings: { origins: ['https://app.example'] } }, async rig => {
    const origin = 'https://app.example';
    const preflight = await rig.get('/api/chat', {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'x-stainless-os, content-type',
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], origin);
    assert.match(String(preflight.headers['access-control-allow-headers']), /x-stainless-os/);
    rig.backend.script = ({ socket }) =>
      void socket.write(httpAnswer(200, '{"done":true}', { 'access-control-allow-origin': 'http://wrong' }));
    const answer = await rig.chat({ stream: false }, { headers: { origin } });
    assert.equal(answer.headers['access-control-allow-origin'], origin);
    assert.match(String(answer.headers['access-control-expose-headers']), /x-bigo-reason/);
    assert.equal(
      (await rig.get('/api/nothing', { headers: { origin } })).headers['access-control-allow-origin'],
      origin,
    );
  }));

const UNSERVED: [string, string, number][] = [
  ['GET', '/debug/pprof/', 404],
  ['GET', '/debug/pprof/cmdline', 404],
  ['GET', '/api', 404],
  ['GET', '/api/', 404],
  ['POST', '/api/chat/', 404],
  ['POST', '//api/chat', 404],
  ['POST', '/api//chat', 404],
  ['POST', '/api/%63hat', 404],
  ['POST', '/api/./chat', 404],
  ['POST', '/x/../api/chat', 404],
  ['POST', '/API/CHAT', 404],
  ['POST', '/api/chat;x=1', 404],
  ['GET', '/api/chat', 405],
  ['PUT', '/api/chat', 405],
  ['DELETE', '/api/tags', 405],
  ['PATCH', '/api/version', 405],
  ['TRACE', '/api/version', 405],
  ['POST', '/api/me', 403],
  ['POST', '/api/signout', 403],
  ['DELETE', '/api/user/keys/x', 403],
  ['POST', '/api/experimental/web_search', 403],
  ['POST', '/v1/images/generations', 403],
  ['GET', '/v1', 404],
  ['GET', '/v1/engines', 404],
  ['GET', '/metrics', 404],
  ['GET', '/bigo/v1/fleet', 404],
];
test('rule 19: paths and methods are an exact list; nothing else reaches a backend', () =>
  withRig({}, async rig => {
    for (const [method, path, status] of UNSERVED) {
      const client = await rig.connect();
      client.write(
        `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      );
      await client.waitClosed();
      assert.match(client.received, new RegExp(`^HTTP/1\\.1 ${status} `), `${method} ${path}`);
      assert.match(client.received, /x-bigo-request-id: /i);
      if (status === 405) assert.match(client.received, /\r\nallow: /i);
    }
    assert.equal(rig.backend.seen.length, 0);
  }));

test('rule 19: unknown paths are said in the dialect of their prefix', () =>
  withRig({}, async rig => {
    assert.equal(typeof JSON.parse((await rig.get('/api/nothing')).text).error, 'string');
    assert.equal(JSON.parse((await rig.get('/v1/nothing')).text).error.type, 'not_found_error');
    assert.equal(JSON.parse((await rig.get('/v1/messages/x')).text).type, 'error');
  }));

test('rule 19: HEAD of /, /api/tags and /api/version, and the root text, are as Ollama’s', () =>
  withRig({}, async rig => {
    for (const path of ['/', '/api/tags', '/api/version']) {
      const answer = await rig.get(path, { method: 'HEAD' });
      assert.equal(answer.status, 200, path);
      assert.equal(answer.text, '');
    }
    assert.equal((await rig.get('/')).text, 'Ollama is running');
    const page = await rig.get('/', { headers: { accept: 'text/html,*/*' } });
    assert.deepEqual([page.status, page.text], [200, 'Ollama is running']);
    assert.equal(JSON.parse((await rig.get('/api/version')).text).version, '0.24.0');
  }));

test('a browser is sent to the page where one is mounted, and everybody else gets Ollama’s text', () =>
  withRig({ mount: () => false }, async rig => {
    const page = await rig.get('/', { headers: { accept: 'text/html,*/*' } });
    assert.deepEqual([page.status, page.headers.location], [302, '/ui/']);
    assert.equal((await rig.get('/')).text, 'Ollama is running');
    assert.equal((await rig.get('/', { method: 'HEAD' })).status, 200);
  }));

test('what is mounted is asked after Host and Origin, and answers what is its own', () =>
  withRig(
    {
      mount: (req, res) => {
        if (req.url !== '/ui/x') return false;
        res.end('mounted');
        return true;
      },
    },
    async rig => {
      assert.equal((await rig.get('/ui/x')).text, 'mounted');
      assert.equal((await rig.get('/ui/y')).status, 404);
      assert.equal((await rig.get('/ui/x', { headers: { host: 'evil.example' } })).status, 403);
      assert.equal((await rig.get('/ui/x', { headers: { origin: 'http://evil.example' } })).status, 403);
    },
  ));

test('whoami tells what a key may do, and /bigo/v1/settings what is configured', () =>
  withRig({ settings: { aliases: { fast: 'm:latest' }, declaredModels: ['m'] } }, async rig => {
    const who = JSON.parse((await rig.get('/bigo/v1/whoami')).text);
    assert.deepEqual(who, { tenant: 'anonymous', role: 'admin', keys: false });
    const answer = await fetch(`${rig.gateway.adminUrl}/bigo/v1/settings`);
    assert.deepEqual(await answer.json(), {
      aliases: { fast: 'm:latest' },
      declaredModels: ['m'],
      routing: [],
      keys: { on: false, entries: [] },
    });
  }));

test('rule 19: Expect: 100-continue is answered before the body, and only when the body is wanted', () =>
  withRig({ body: { jsonBytesMax: 1_000 } }, async rig => {
    const client = await rig.connect();
    client.write(
      `POST /api/chat HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: ${CHAT.length}\r\n\r\n`,
    );
    await client.waitFor('HTTP/1.1 100 Continue');
    client.write(CHAT);
    await client.waitFor('"done":true');
    client.socket.destroy();
    const large = await rig.connect();
    large.write(
      'POST /api/chat HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 99999\r\n\r\n',
    );
    await large.waitFor(/^HTTP\/1\.1 413 /);
    assert.doesNotMatch(large.received, /100 Continue/);
    await large.waitClosed();
    const other = await rig.connect();
    other.write('POST /api/chat HTTP/1.1\r\nhost: localhost\r\nexpect: magic\r\ncontent-length: 2\r\n\r\n{}');
    await other.waitFor(/^HTTP\/1\.1 400 /);
    await other.waitClosed();
    assert.equal(rig.backend.seen.length, 1);
  }));

test('rule 20: a connection whose answer was aborted is never used again', () =>
  withRig({ slots: 1 }, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await client.waitFor('"content":"a"');
    const used = rig.backend.seen[0]?.socket;
    client.socket.destroy();
    await until(
      async () => used?.destroyed === true,
      async () => 'the connection stays open',
    );
    rig.backend.script = answerStream;
    assert.equal((await rig.chat()).status, 200);
    assert.notEqual(rig.backend.seen[1]?.socket, used);
    assert.equal(rig.backend.seen[1]?.before, 0);
  }));

test('rule 20: a healthy connection is used again', () =>
  withRig({}, async rig => {
    for (let index = 0; index < 3; index += 1) assert.equal((await rig.chat({ stream: false })).status, 200);
    assert.equal(new Set(rig.backend.seen.map(seen => seen.socket)).size, 1);
  }));

test('rule 20: a kept-alive connection that dies on the next request is replaced silently, without blame', () =>
  withRig({}, async rig => {
    rig.backend.script = request => {
      if (request.before === 0) answerWhole(request);
      else request.socket.resetAndDestroy();
    };
    assert.equal((await rig.chat({ stream: false })).status, 200);
    await sleep(20);
    const answer = await rig.chat({ stream: false });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers['x-bigo-reason'], 'retry');
    assert.equal(rig.backend.seen.length, 3);
    assert.equal(await rig.metric('bigo_retries_total', 'stale'), 1);
    assert.equal((await rig.view()).backends[0].breaker, 'closed');
  }));

test('rule 20: it is replaced once only, then the failure counts', () =>
  withRig({}, async rig => {
    rig.backend.script = answerWhole;
    assert.equal((await rig.chat({ stream: false })).status, 200);
    rig.backend.script = ({ socket }) => void socket.resetAndDestroy();
    const answer = await rig.post('/api/chat', CHAT_WHOLE);
    assert.equal(answer.status, 502);
    assert.ok(rig.backend.seen.length <= 5, `${rig.backend.seen.length} requests`);
  }));
