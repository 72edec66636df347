// Rules 29 to 31, 33 and 34, drain, aliases, routing rules, lists, counting tokens, stop.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answerWhole,
  chunk,
  doneLine,
  eventsHead,
  httpAnswer,
  lastChunk,
  streamHead,
  tokenLine,
} from './scripted-backend.ts';
import type { ScriptedRequest } from './scripted-backend.ts';
import { CHAT, until, withRig } from './rig.ts';

test('rule 29: liveness is asked by the cheap version route, and a list that fails removes nobody', () =>
  withRig({}, async rig => {
    rig.backend.asked.length = 0;
    await until(
      async () => rig.backend.asked.filter(path => path === '/api/version').length >= 2,
      async () => rig.backend.asked.join(' '),
    );
    assert.equal(rig.backend.asked.includes('/api/tags'), false);
    rig.backend.failsTags = true;
    await rig.fleet.refresh();
    assert.ok(rig.backend.asked.includes('/api/tags'));
    const [backend] = (await rig.view()).backends;
    assert.equal(backend.state, 'up');
    assert.ok(backend.ageMs >= 0);
    assert.equal((await rig.chat()).status, 200);
  }));

test('rule 30: a drained backend gets no new request, keeps its stream, and says when it is empty', () =>
  withRig({ backends: 2 }, async rig => {
    let open: ScriptedRequest | undefined;
    for (const backend of rig.backends) {
      backend.script = request => {
        if (open !== undefined) return answerWhole(request);
        open = request;
        request.socket.write(streamHead + chunk(tokenLine('a')));
      };
    }
    const running = rig.chat();
    await until(
      async () => open !== undefined,
      async () => 'not running',
    );
    const name = (await rig.view()).backends.find(backend => backend.inFlight === 1).name;
    const path = `/bigo/v1/backends/${name}/drain`;
    const state = async (method: string): Promise<object> =>
      JSON.parse((await rig.admin(path, { method })).text);
    assert.deepEqual(await state('GET'), { state: 'serving', inFlight: 1, queued: 0 });
    assert.deepEqual(await state('POST'), { state: 'draining', inFlight: 1, queued: 0 });
    for (let index = 0; index < 5; index += 1) {
      assert.notEqual((await rig.chat({ stream: false })).headers['x-bigo-backend'], name);
    }
    open?.socket.write(chunk(doneLine) + lastChunk);
    assert.match((await running).text, /"done":true/);
    assert.deepEqual(await state('GET'), { state: 'drained', inFlight: 0, queued: 0 });
    assert.deepEqual(await state('DELETE'), { state: 'serving', inFlight: 0, queued: 0 });
    assert.equal((await rig.admin('/bigo/v1/backends/none/drain', { method: 'POST' })).status, 404);
    assert.equal((await rig.admin(path, { method: 'PUT' })).status, 405);
  }));

test('rule 30: the gateway’s own drain: readiness off, streams finish, answers close their connection', async () => {
  await withRig({ time: { drainMsMax: 10_000, drainGraceMs: 1_500 } }, async rig => {
    let open: ScriptedRequest | undefined;
    rig.backend.script = request => {
      if (/"stream": ?false/.test(request.body)) return answerWhole(request);
      open = request;
      request.socket.write(streamHead + chunk(tokenLine('a')));
    };
    const running = rig.chat();
    await until(
      async () => open !== undefined,
      async () => 'not running',
    );
    assert.equal((await rig.admin('/readyz')).status, 200);
    const idle = await rig.connect();
    idle.write('GET /api/version HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await idle.waitFor('0.24.0');
    const drained = rig.gateway.drain();
    const ready = await rig.admin('/readyz');
    assert.equal(ready.status, 503);
    assert.match(ready.text, /draining/);
    assert.equal((await rig.admin('/livez')).status, 200);
    const during = await rig.chat({ stream: false });
    assert.equal(during.status, 200);
    assert.equal(during.headers.connection, 'close');
    await idle.waitClosed();
    await assert.rejects(rig.chat(), /ECONNREFUSED/);
    open?.socket.write(chunk(doneLine) + lastChunk);
    const answer = await running;
    assert.match(answer.text, /"done":true/);
    assert.equal(answer.broken, false);
    await drained;
    rig.assertClean = async () => undefined;
  });
});

test('rule 30: a drain takes new connections for as long as somebody sends requests on them', async () => {
  const drainGraceMs = 2_500;
  await withRig({ time: { drainMsMax: 60_000, drainGraceMs } }, async rig => {
    const startMs = Date.now();
    const drained = rig.gateway.drain();
    while (Date.now() - startMs < 1.4 * drainGraceMs) {
      assert.equal((await rig.chat({ stream: false })).status, 200);
      await sleep(drainGraceMs / 20);
    }
    await drained;
    await assert.rejects(rig.chat(), /ECONNREFUSED/);
    rig.assertClean = async () => undefined;
  });
});

test('rule 30: what is not done when the drain’s time is up ends with an error, queued or streaming', () =>
  withRig({ slots: 1, time: { drainMsMax: 300 } }, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')));
    const running = rig.chat();
    await until(
      async () => rig.backend.seen.length === 1,
      async () => 'not running',
    );
    const waiting = rig.chat();
    await until(
      async () => (await rig.view()).queue.length === 1,
      async () => 'not waiting',
    );
    await rig.gateway.drain();
    assert.match((await running).text, /\{"error":"[^"]*stopping[^"]*"\}\n$/);
    const refused = await waiting;
    assert.equal(refused.status, 503);
    rig.assertClean = async () => undefined;
  }));

test('rule 31: names are one whatever their case and default tag; an alias is resolved before routing', () =>
  withRig({ settings: { aliases: { Fast: 'm' } } }, async rig => {
    for (const model of [
      'm',
      'M',
      'm:latest',
      'library/m',
      'registry.ollama.ai/library/m:latest',
      'fast',
      'FAST:latest',
    ]) {
      assert.equal((await rig.chat({ model })).status, 200, model);
    }
    assert.equal(JSON.parse(rig.backend.seen.at(-1)?.body ?? '').model, 'm');
    const { models } = JSON.parse((await rig.get('/api/tags')).text);
    assert.deepEqual(
      models.map((model: { name: string }) => model.name),
      ['m:latest', 'Fast'],
    );
    assert.equal((await rig.chat({ model: 'a b' })).status, 400);
  }));

test('rule 31: a routing rule keeps a model on its backends', () =>
  withRig({ backends: 3, settings: { routing: [{ model: 'm', backends: ['b1'] }] } }, async rig => {
    for (let index = 0; index < 6; index += 1) {
      assert.equal((await rig.chat()).headers['x-bigo-backend'], 'b1');
    }
  }));

test('rule 31: lists are merged by name, ps and tags and /v1/models; what differs is shown to the operator', () =>
  withRig({ backends: 2 }, async rig => {
    const [, second] = rig.backends;
    assert.ok(second);
    second.models = ['m:latest', 'n:1b'];
    await rig.fleet.refresh();
    const names = async (path: string, list: string): Promise<string[]> => {
      const entries: { name?: string; id?: string }[] = JSON.parse((await rig.get(path)).text)[list];
      return entries.map(entry => entry.name ?? entry.id ?? '').sort();
    };
    assert.deepEqual(await names('/api/tags', 'models'), ['m:latest', 'n:1b']);
    assert.deepEqual(await names('/api/ps', 'models'), ['m:latest']);
    assert.deepEqual(await names('/v1/models', 'data'), ['m:latest', 'n:1b']);
    assert.equal((await rig.get('/v1/models/n:1b')).status, 200);
    assert.equal((await rig.get('/v1/models/none')).status, 404);
    assert.equal((await rig.chat({ model: 'n:1b' })).headers['x-bigo-backend'], 'b1');
  }));

test('rule 33: request ids are the gateway’s own and never repeat', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => {
      const event = (extra: object): string =>
        chunk(`data: ${JSON.stringify({ id: 'chatcmpl-7', choices: [], ...extra })}\n\n`);
      socket.write(eventsHead + event({}) + chunk('data: [DONE]\n\n') + lastChunk);
    };
    const ids = new Set<unknown>();
    for (let index = 0; index < 5; index += 1) {
      const answer = await rig.post('/v1/chat/completions', { model: 'm', stream: true, messages: [] });
      ids.add(answer.headers['x-bigo-request-id']);
    }
    assert.equal(ids.size, 5);
    const records = await rig.usage();
    assert.deepEqual(new Set(records.map(record => record.requestId)), ids);
  }));

test('rule 34: no stream depends on anything but its backend: the fleet’s questions may all fail meanwhile', () =>
  withRig({}, async rig => {
    let open: ScriptedRequest | undefined;
    rig.backend.script = request => {
      open = request;
      request.socket.write(streamHead + chunk(tokenLine('a')));
    };
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await client.waitFor('"a"');
    await rig.fleet.stop();
    open?.socket.write(chunk(doneLine) + lastChunk);
    await client.waitFor('"done":true');
    client.socket.destroy();
  }));

test('`ollama stop` reaches every backend that has the model loaded, and takes no slot', () =>
  withRig({ backends: 3, slots: 1 }, async rig => {
    const [a, b, c] = rig.backends;
    assert.ok(a && b && c);
    c.loaded = [];
    await rig.fleet.refresh();
    const bodies: string[] = [];
    for (const backend of rig.backends) {
      const load = ({ socket, body }: ScriptedRequest): void => {
        bodies.push(body);
        socket.write(httpAnswer(200, '{"model":"m","done":true,"done_reason":"unload"}'));
      };
      backend.onLoad = load;
    }
    const answer = await rig.post('/api/generate', { model: 'm', keep_alive: 0 });
    assert.equal(JSON.parse(answer.text).done_reason, 'unload');
    assert.deepEqual(bodies, ['{"model":"m","keep_alive":0}', '{"model":"m","keep_alive":0}']);
  }));

test('/api/show goes to a holder without a slot, though every slot is taken', () =>
  withRig({ slots: 1 }, async rig => {
    rig.backend.script = ({ socket, path }) =>
      void socket.write(
        path === '/api/show' ? httpAnswer(200, '{"details":{}}') : streamHead + chunk(tokenLine('a')),
      );
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await client.waitFor('"a"');
    const answer = await rig.post('/api/show', { model: 'm' });
    assert.deepEqual([answer.status, answer.headers['x-bigo-reason']], [200, 'holder']);
    client.socket.destroy();
  }));

test('count_tokens evaluates on a backend and tells only the count', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket, path, body }) => {
      assert.equal(path, '/v1/messages');
      assert.equal(JSON.parse(body).max_tokens, 1);
      socket.write(
        httpAnswer(200, '{"type":"message","content":[],"usage":{"input_tokens":23,"output_tokens":1}}'),
      );
    };
    const answer = await rig.post('/v1/messages/count_tokens', {
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
    });
    assert.equal(answer.text, '{"input_tokens":23}');
  }));

test('a gateway that is one of its own backends refuses its own requests as a loop', () =>
  withRig({}, async rig => {
    await rig.chat();
    const hop = rig.backend.seen[0]?.headers.get('x-bigo-hop') ?? '';
    assert.notEqual(hop, '');
    assert.equal((await rig.chat({}, { headers: { 'x-bigo-hop': hop } })).status, 508);
    assert.equal((await rig.chat({}, { headers: { 'x-bigo-hop': 'another-gateway' } })).status, 200);
  }));

test('reload: backends, aliases and limits change without a restart; wrong settings change nothing', () =>
  withRig({ backends: 2 }, async rig => {
    const [first] = rig.settings.backends;
    assert.ok(first);
    await rig.gateway.reload({ ...rig.settings, backends: [first], aliases: { quick: 'm' } });
    for (let index = 0; index < 4; index += 1) {
      assert.equal((await rig.chat({ model: 'quick' })).headers['x-bigo-backend'], 'b0');
    }
    const unsafe = { ...rig.settings, listen: { host: '0.0.0.0', port: 0 } };
    await assert.rejects(rig.gateway.reload(unsafe), /without keys/);
    assert.equal((await rig.chat({ model: 'quick' })).status, 200);
  }));
