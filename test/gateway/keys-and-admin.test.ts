// Keys on the main port, the admin port as a whole, starting and refusing to start, what is logged.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { pino } from 'pino';
import { createKey } from '../../src/gateway/keys.ts';
import { answerStream, chunk, streamHead, tokenLine } from './scripted-backend.ts';
import { CHAT, startRig, until, withRig } from './rig.ts';

const user = createKey();
const admin = createKey();

function keysFile(): { file: string; remove: () => void } {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bigo-keys-'));
  const file = path.join(dir, 'keys.yaml');
  const keys = [
    { id: 'alice', hash: user.hash, models: ['m'], priority: 'low' },
    { id: 'root', hash: admin.hash, role: 'admin', priority: 'high' },
  ];
  fs.writeFileSync(file, JSON.stringify({ keys }));
  return { file, remove: () => fs.rmSync(dir, { recursive: true, force: true }) };
}
const as = (key: { key: string }) => ({ headers: { authorization: `Bearer ${key.key}` } });

test('with keys on, each route asks for one; models, roles and priorities hold', async () => {
  const { file, remove } = keysFile();
  await withRig({ models: ['m:latest', 'n:latest'], settings: { keysFile: file } }, async rig => {
    assert.equal((await rig.chat()).status, 401);
    assert.equal((await rig.get('/api/tags')).status, 401);
    assert.equal((await rig.get('/')).status, 200);
    assert.equal((await rig.get('/api/version')).status, 200);
    assert.equal(JSON.parse((await rig.post('/v1/messages', {})).text).error.type, 'authentication_error');
    assert.equal((await rig.chat({}, as(user))).status, 200);
    assert.equal((await rig.chat({ model: 'n' }, as(user))).status, 403);
    assert.equal((await rig.chat({ model: 'n' }, as(admin))).status, 200);
    assert.equal((await rig.post('/api/pull', { model: 'x' }, as(user))).status, 403);
    assert.equal((await rig.post('/api/pull', { model: 'x' }, as(admin))).status, 501);
    const names = async (key: { key: string }): Promise<string[][]> => {
      const listed = async (path: string): Promise<unknown> =>
        JSON.parse((await rig.get(path, as(key))).text) as unknown;
      const tags = (await listed('/api/tags')) as { models: { name: string }[] };
      const models = (await listed('/v1/models')) as { data: { id: string }[] };
      return [tags.models.map(each => each.name), models.data.map(each => each.id)];
    };
    assert.deepEqual(await names(user), [['m:latest'], ['m:latest']]);
    assert.deepEqual(await names(admin), [
      ['m:latest', 'n:latest'],
      ['m:latest', 'n:latest'],
    ]);
    const eager = { headers: { ...as(user).headers, 'x-bigo-priority': 'high' } };
    assert.equal((await rig.chat({}, eager)).status, 200);
    const wrong = await rig.chat({}, { headers: { authorization: 'Bearer wrong' } });
    assert.equal(wrong.status, 401);
    const answer = await rig.admin('/bigo/v1/requests', as(admin));
    const [last] = JSON.parse(answer.text).requests;
    assert.deepEqual([last.tenant, last.priority], ['alice', 'low']);
    rig.assertClean = async () => undefined;
  });
  remove();
});

test('keys are reloaded while the gateway runs; a wrong file leaves the old ones', async () => {
  const { file, remove } = keysFile();
  await withRig({ settings: { keysFile: file } }, async rig => {
    const fresh = createKey();
    assert.equal((await rig.chat({}, as(fresh))).status, 401);
    fs.writeFileSync(file, JSON.stringify({ keys: [{ id: 'new', hash: fresh.hash }] }));
    await until(
      async () => (await rig.chat({}, as(fresh))).status === 200,
      async () => 'the new key is not taken',
    );
    assert.equal((await rig.chat({}, as(user))).status, 401);
    fs.writeFileSync(file, '{ nonsense');
    await new Promise(resolve => setTimeout(resolve, 1_200));
    assert.equal((await rig.chat({}, as(fresh))).status, 200);
    rig.assertClean = async () => undefined;
  });
  remove();
});

test('with keys on, the admin port needs an admin key or the token; probes need none', async () => {
  const { file, remove } = keysFile();
  await withRig({ settings: { keysFile: file, adminToken: 'a-token' } }, async rig => {
    for (const path of ['/bigo/v1/fleet', '/metrics', '/bigo/v1/usage', '/bigo/v1/backends/b0/drain']) {
      assert.equal((await rig.admin(path)).status, 401, path);
      assert.equal((await rig.admin(path, as(user))).status, 403, path);
      assert.equal((await rig.admin(path, as(admin))).status, 200, path);
      assert.equal((await rig.admin(path, as({ key: 'a-token' }))).status, 200, path);
    }
    assert.equal((await rig.admin('/livez')).status, 200);
    assert.equal((await rig.admin('/readyz')).status, 200);
    rig.assertClean = async () => undefined;
  });
  remove();
});

test('the admin port: fleet, usage pages, requests, metrics, unknown paths, foreign pages', () =>
  withRig({ backends: 2, settings: { aliases: { fast: 'm' } } }, async rig => {
    for (let index = 0; index < 3; index += 1) await rig.chat();
    const view = await rig.view();
    const [backend] = view.backends;
    for (const field of [
      'name',
      'url',
      'state',
      'store',
      'class',
      'version',
      'draining',
      'models',
      'loaded',
      'slots',
      'inFlight',
      'breaker',
    ]) {
      assert.ok(field in backend, field);
    }
    assert.deepEqual(backend.slots, { value: 4, source: 'given' });
    const first = JSON.parse((await rig.admin('/bigo/v1/usage?limit=2')).text);
    assert.deepEqual([first.records.length, first.more], [2, true]);
    const rest = JSON.parse((await rig.admin(`/bigo/v1/usage?after=${first.next}`)).text);
    assert.deepEqual([rest.records.length, rest.records[0].seq, rest.more], [1, 3, false]);
    assert.equal((await rig.admin('/bigo/v1/usage?after=x')).status, 400);
    assert.equal((await rig.requests()).length, 3);
    const metrics = await rig.admin('/metrics');
    assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
    assert.match(
      metrics.text,
      /bigo_requests_total\{model="m:latest",dialect="ollama",route="chat",code="200"\} 3\n/,
    );
    assert.match(metrics.text, /bigo_backend_up\{backend="b1"\} 1\n/);
    assert.match(metrics.text, /bigo_tokens_total\{model="m:latest",direction="out"\} 6\n/);
    assert.equal((await rig.admin('/nothing')).status, 404);
    assert.equal((await rig.admin('/metrics', { method: 'POST' })).status, 405);
    assert.equal((await rig.admin('/metrics', { headers: { host: 'evil.example' } })).status, 403);
    assert.equal((await rig.admin('/metrics', { headers: { origin: 'https://evil.example' } })).status, 403);
  }));

test('readiness does not depend on backends unless asked to', () =>
  withRig({}, async rig => {
    rig.fleet.setDraining('b0', true);
    assert.equal((await rig.admin('/readyz')).status, 200);
    assert.equal((await rig.admin('/readyz?require=backend')).status, 503);
    rig.fleet.setDraining('b0', false);
    assert.equal((await rig.admin('/readyz?require=backend')).status, 200);
  }));

test('the fleet as events: one at once, then one per change, never faster than five a second', () =>
  withRig({}, async rig => {
    const events: { tickets: unknown[] }[] = [];
    const req = http.get(`${rig.gateway.adminUrl}/bigo/v1/fleet`, {
      headers: { accept: 'text/event-stream' },
      agent: false,
    });
    req.on('response', res => {
      let text = '';
      res.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
          if (data !== undefined) events.push(JSON.parse(data));
          text = text.slice(end + 2);
        }
      });
    });
    req.on('error', () => undefined);
    await until(
      async () => events.length === 1,
      async () => 'no first event',
    );
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await until(
      async () => events.at(-1)?.tickets.length === 1,
      async () => 'the ticket is not told',
    );
    client.socket.destroy();
    await until(
      async () => events.at(-1)?.tickets.length === 0,
      async () => 'the end is not told',
    );
    req.destroy();
  }));

test('a model name from a client never becomes a label unless the fleet knows it', () =>
  withRig({}, async rig => {
    for (let index = 0; index < 50; index += 1) await rig.chat({ model: `unknown-${index}` });
    assert.doesNotMatch((await rig.admin('/metrics')).text, /unknown-/);
  }));

test('nobody is let in by an open address without keys, and the message says what to do', async () => {
  for (const settings of [{ listen: { host: '0.0.0.0', port: 0 } }, { admin: { host: '::', port: 0 } }]) {
    await assert.rejects(startRig({ settings }), /without keys|needs an admin key/);
  }
});

test('a port that is taken is said in one sentence, and nothing is left open', async () => {
  const rig = await startRig();
  const taken = { host: '127.0.0.1', port: rig.port };
  await assert.rejects(startRig({ settings: { listen: taken } }), /127\.0\.0\.1:\d+ is already in use/);
  await assert.rejects(startRig({ settings: { admin: taken } }), /already in use/);
  await rig.stop();
});

test('one log line per request, with reason and tokens, and never a prompt, an answer or a key', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: line => void lines.push(line) });
  const { file, remove } = keysFile();
  await withRig({ log, settings: { keysFile: file }, backends: 2 }, async rig => {
    const secret = 'canary-prompt';
    const ask = (extra: object = {}) =>
      rig.chat({ messages: [{ role: 'user', content: secret }], ...extra }, as(user));
    await ask();
    await ask({ stream: false });
    await ask({ model: 'nope' });
    await rig.post('/api/chat', `{"broken": "${secret}`, as(user));
    await rig.chat({}, { headers: { authorization: 'Bearer canary-key' } });
    for (const backend of rig.backends) backend.script = ({ socket }) => void socket.resetAndDestroy();
    await ask();
    for (const backend of rig.backends) backend.script = answerStream;
    await new Promise(resolve => setTimeout(resolve, 100));
    const text = lines.join('');
    assert.doesNotMatch(text, /canary|Hel|"lo"/);
    assert.equal(text.includes(user.key), false);
    const requests = text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(line => line.msg === 'request');
    assert.equal(requests.length, 3);
    assert.deepEqual(
      [
        requests[0].model,
        requests[0].code,
        requests[0].tokens,
        requests[0].promptTokens,
        typeof requests[0].reason,
      ],
      ['m:latest', 200, 2, 7, 'string'],
    );
    rig.assertClean = async () => undefined;
  });
  remove();
});
