// Rules 1 to 7 of a streaming gateway: committing, retrying, and what follows a failure in the middle.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  answerStream,
  answerWhole,
  chunk,
  doneLine,
  eventsHead,
  httpAnswer,
  lastChunk,
  streamHead,
  tokenLine,
} from './scripted-backend.ts';
import type { Script } from './scripted-backend.ts';
import { until, withRig } from './rig.ts';

/** Fails the first `times` inference requests that reach any of the backends. */
function failFirst(
  rig: { backends: { script: Script }[] },
  times: number,
  fail: Script,
  then: Script = answerStream,
): void {
  let left = times;
  for (const backend of rig.backends) {
    backend.script = request => {
      left -= 1;
      if (left >= 0) fail(request);
      else then(request);
    };
  }
}

test('rule 1: no status goes to the client before the backend has given a body byte', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      setTimeout(() => socket.write(chunk(tokenLine('a')) + chunk(doneLine) + lastChunk), 150);
    };
    const client = await rig.connect();
    client.post('/api/chat', '{"model":"m","messages":[{"role":"user","content":"x"}]}');
    await until(
      async () => rig.backend.seen.length === 1,
      async () => 'not sent',
    );
    await new Promise(resolve => setTimeout(resolve, 60));
    assert.equal(client.received, '');
    await client.waitFor('"done":true');
    assert.match(client.received, /^HTTP\/1\.1 200 /);
    client.socket.destroy();
  }));

for (const [what, fail] of [
  ['a reset before the head', ({ socket }) => void socket.resetAndDestroy()],
  ['a close before the head', ({ socket }) => void socket.end()],
  ['a 502', ({ socket }) => void socket.write(httpAnswer(502, '{"error":"x"}'))],
  ['a 503', ({ socket }) => void socket.write(httpAnswer(503, '{"error":"server busy"}'))],
  ['a 504', ({ socket }) => void socket.write(httpAnswer(504, '{"error":"x"}'))],
  [
    'an HTML page',
    ({ socket }) => void socket.write(httpAnswer(200, '<html></html>', { 'content-type': 'text/html' })),
  ],
  ['a redirect', ({ socket }) => void socket.write(httpAnswer(302, '', { location: 'http://127.0.0.1:1/' }))],
  ['no HTTP at all', ({ socket }) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ['an empty stream', ({ socket }) => void socket.write(streamHead + lastChunk)],
  [
    'a head of 100 KB',
    ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(100_000)}\r\n\r\n`),
  ],
  [
    'informational answers without end',
    ({ socket }) => void socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(500)),
  ],
] satisfies [string, Script][]) {
  test(`rule 2: ${what} before the first byte is retried on another backend, unseen by the client`, () =>
    withRig({ backends: 2 }, async rig => {
      failFirst(rig, 1, fail);
      const answer = await rig.chat();
      assert.equal(answer.status, 200);
      assert.match(answer.text, /"done":true/);
      assert.equal(answer.headers['x-bigo-reason'], 'retry');
      assert.equal(rig.backends.flatMap(backend => backend.seen).length, 2);
      assert.notEqual(
        rig.backends[0]?.seen.length,
        2,
        'the second attempt excludes the backend of the first',
      );
    }));
}

test('rule 2: a refused connection is retried on another backend', () =>
  withRig({ backends: 2 }, async rig => {
    await rig.backends[0]?.stop();
    for (let index = 0; index < 6; index += 1) {
      const answer = await rig.chat();
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers['x-bigo-backend'], 'b1');
    }
  }));

test('rule 2: a 404 for a model that the snapshot has corrects the snapshot and goes elsewhere', () =>
  withRig({ backends: 2 }, async rig => {
    failFirst(rig, 1, ({ socket }) => void socket.write(httpAnswer(404, `{"error":"model 'm' not found"}`)));
    const answer = await rig.chat();
    assert.equal(answer.status, 200);
    assert.equal(await rig.metric('bigo_retries_total', 'model_missing'), 1);
    const { backends } = await rig.view();
    assert.equal(
      backends.filter(backend => backend.models.length === 0 || backend.breaker !== 'closed').length <= 1,
      true,
    );
  }));

for (const status of [400, 401, 403, 413]) {
  test(`rule 2: a ${status} of the backend is the client's answer at once`, () =>
    withRig({ backends: 2 }, async rig => {
      const body = `{"error":"no ${status}"}`;
      for (const backend of rig.backends)
        backend.script = ({ socket }) => void socket.write(httpAnswer(status, body));
      const answer = await rig.chat();
      assert.equal(answer.status, status);
      assert.equal(answer.text, body);
      assert.equal(rig.backends.flatMap(backend => backend.seen).length, 1);
    }));
}

test('rule 2: a 500 is tried once more, and the second one is the answer in the backend’s words', () =>
  withRig({ backends: 3 }, async rig => {
    for (const backend of rig.backends)
      backend.script = ({ socket }) =>
        void socket.write(httpAnswer(500, '{"error":"llama runner has died"}'));
    const answer = await rig.chat();
    assert.equal(answer.status, 500);
    assert.equal(answer.text, '{"error":"llama runner has died"}');
    assert.equal(rig.backends.flatMap(backend => backend.seen).length, 2);
  }));

test('rule 3: at most three attempts, then the error names the last backend in the caller’s dialect', () =>
  withRig({ backends: 5 }, async rig => {
    for (const backend of rig.backends) backend.script = ({ socket }) => void socket.resetAndDestroy();
    const answer = await rig.post('/v1/chat/completions', {
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
    });
    assert.equal(answer.status, 502);
    const { error } = JSON.parse(answer.text);
    assert.equal(error.type, 'api_error');
    assert.match(error.message, /Backend b\d/);
    assert.equal(rig.backends.flatMap(backend => backend.seen).length, 3);
  }));

test('rule 3: retries are bounded over the whole gateway', () =>
  withRig({ backends: 3, slots: 64, queue: { waitMsMax: 1_000 } }, async rig => {
    for (const backend of rig.backends)
      backend.script = ({ socket }) => void setTimeout(() => socket.resetAndDestroy(), 30);
    const answers = await Promise.all(Array.from({ length: 30 }, () => rig.chat()));
    assert.ok(answers.every(answer => answer.status >= 502));
    const attempts = rig.backends.flatMap(backend => backend.seen).length;
    // 30 first attempts; at any time at most three requests are on a further one.
    assert.ok(attempts < 30 * 2, `${attempts} attempts`);
  }));

test('rule 4: the second attempt sends the same bytes as the first', () =>
  withRig({ backends: 2 }, async rig => {
    failFirst(rig, 1, ({ socket }) => void socket.resetAndDestroy());
    const body = `{"model" : "m",  "messages":[{"role":"user","content":"${'ü'.repeat(50_000)}"}], "x":1e400}`;
    assert.equal((await rig.post('/api/chat', body)).status, 200);
    const bodies = rig.backends.flatMap(backend => backend.seen.map(seen => seen.body));
    assert.deepEqual(bodies, [body, body]);
  }));

test('rule 5: after the first byte nothing is tried again elsewhere', () =>
  withRig({ backends: 2 }, async rig => {
    for (const backend of rig.backends) {
      backend.script = ({ socket }) => {
        socket.write(streamHead + chunk(tokenLine('half')));
        setTimeout(() => socket.resetAndDestroy(), 30);
      };
    }
    const answer = await rig.chat();
    assert.equal(answer.status, 200);
    assert.equal(rig.backends.flatMap(backend => backend.seen).length, 1);
    const lines = answer.text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    assert.equal(lines[0].message.content, 'half');
    assert.match(lines[1].error, /not complete/);
    assert.equal(lines.length, 2);
    assert.doesNotMatch(answer.text, /"done":true/);
  }));

const CUTS = [
  {
    path: '/api/chat',
    head: streamHead,
    part: tokenLine('a').trimEnd().slice(0, 20),
    error: /\n\{"error":"[^"]*not complete/,
    never: /"done":true/,
  },
  {
    path: '/v1/chat/completions',
    head: eventsHead,
    part: 'data: {"id":"x","choi',
    error: /\n\ndata: \{"error":\{/,
    never: /\[DONE\]/,
  },
  {
    path: '/v1/responses',
    head: eventsHead,
    part: 'event: response.created\ndata: {"type"',
    error: /\n\nevent: error\ndata: /,
    never: /response\.completed/,
  },
  {
    path: '/v1/messages',
    head: eventsHead,
    part: 'event: message_start\ndata: {"type"',
    error: /\n\nevent: error\ndata: \{"type":"error"/,
    never: /message_stop/,
  },
];
for (const { path, head, part, error, never } of CUTS) {
  test(`rule 6: ${path} cut inside a line ends with an error of its dialect and without a terminator`, () =>
    withRig({}, async rig => {
      rig.backend.script = ({ socket }) => {
        socket.write(head + chunk(part));
        setTimeout(() => socket.destroy(), 20);
      };
      const answer = await rig.post(path, {
        model: 'm',
        stream: true,
        input: 'x',
        max_tokens: 5,
        messages: [{ role: 'user', content: 'x' }],
      });
      assert.equal(answer.status, 200);
      assert.ok(answer.text.startsWith(part));
      assert.match(answer.text, error);
      assert.doesNotMatch(answer.text, never);
      assert.equal(await rig.metric('bigo_stream_failures_total', 'stream_cut'), 1);
    }));
}

test('rule 7: a stream that ends for HTTP but without its terminator is a failure', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(tokenLine('a')) + lastChunk);
    const answer = await rig.chat();
    assert.match(answer.text, /\{"error":"[^"]*not complete[^"]*"\}\n$/);
    assert.equal((await rig.usage())[0].error, 'stream_cut');
  }));

test('rule 7: where no error can be written, the connection breaks instead of ending cleanly', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead.replace('\r\n\r\n', '\r\ncontent-encoding: gzip\r\n\r\n') + chunk('\x1f\x8b'));
      setTimeout(() => socket.destroy(), 20);
    };
    const answer = await rig.chat();
    assert.equal(answer.broken, true);
  }));

test('rule 7: an error line of the backend itself passes unchanged and is not followed by a second one', () =>
  withRig({}, async rig => {
    const line = '{"error":"an error was encountered while running the model"}\n';
    rig.backend.script = ({ socket }) =>
      void socket.write(streamHead + chunk(tokenLine('a')) + chunk(line) + lastChunk);
    const answer = await rig.chat();
    assert.equal(answer.text, tokenLine('a') + line);
    assert.equal(await rig.metric('bigo_stream_failures_total', 'stream_error'), 1);
  }));

test('rule 7: a held answer that is cut is a retry, then a 502, never half an answer', () =>
  withRig({ backends: 2 }, async rig => {
    const cut: Script = ({ socket }) =>
      void socket.end(httpAnswer(200, '{"message":{"content":"ha', { 'content-length': '500' }));
    failFirst(rig, 1, cut, answerWhole);
    const second = await rig.chat({ stream: false });
    assert.equal(second.status, 200);
    failFirst(rig, 99, cut);
    const answer = await rig.chat({ stream: false });
    assert.equal(answer.status, 502);
    assert.match(JSON.parse(answer.text).error, /Backend b\d/);
  }));

test('rule 7: a Content-Length that is too short cannot pass half a JSON answer as a whole one', () =>
  withRig({ backends: 2 }, async rig => {
    failFirst(
      rig,
      1,
      ({ socket }) =>
        void socket.write(httpAnswer(200, '{"message":{"content":"half"}}', { 'content-length': '12' })),
      answerWhole,
    );
    const answer = await rig.chat({ stream: false });
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.text).done, true);
  }));
