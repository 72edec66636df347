// Rules 12 to 16: bytes go through untouched, at once, in bounded memory; usage is read while they pass.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  answerStream,
  chunk,
  doneLine,
  eventsHead,
  httpAnswer,
  lastChunk,
  streamHead,
  tokenLine,
} from './scripted-backend.ts';
import { CHAT, until, withRig } from './rig.ts';

const SSE_CHAT = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] };
const eventOf = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const delta = (content: string): string => eventOf({ choices: [{ index: 0, delta: { content } }] });
const usageEvent = eventOf({
  choices: [],
  usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 },
});
const doneEvent = 'data: [DONE]\n\n';

test('rule 12: 40 random streams, cut anywhere, come out byte for byte', () =>
  withRig({}, async rig => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        async (contents, cuts) => {
          const body = Buffer.from(contents.map(tokenLine).join('') + doneLine);
          rig.backend.script = ({ socket }) => {
            socket.write(streamHead);
            for (let at = 0, turn = 0; at < body.length; turn += 1) {
              const part = body.subarray(at, at + (cuts[turn % cuts.length] ?? 1));
              socket.write(`${part.length.toString(16)}\r\n`);
              socket.write(part);
              socket.write('\r\n');
              at += part.length;
            }
            socket.write(lastChunk);
          };
          const answer = await rig.chat();
          assert.equal(answer.text, body.toString('utf8'));
        },
      ),
      { numRuns: 40 },
    );
  }));

test('rule 12: each chunk reaches the client before the next one is written by the backend', () =>
  withRig({}, async rig => {
    const gates: (() => void)[] = [];
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      for (const word of ['one', 'two', 'three']) gates.push(() => socket.write(chunk(tokenLine(word))));
      gates.push(() => socket.write(chunk(doneLine) + lastChunk));
    };
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await until(
      async () => gates.length === 4,
      async () => 'not sent',
    );
    for (const word of ['one', 'two', 'three']) {
      gates.shift()?.();
      await client.waitFor(`"${word}"`);
    }
    gates.shift()?.();
    await client.waitFor('0\r\n\r\n');
    client.socket.destroy();
  }));

test('rule 12: a stream forbids buffering and changing on its way', () =>
  withRig({}, async rig => {
    const { headers } = await rig.chat();
    assert.equal(headers['cache-control'], 'no-cache, no-transform');
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.equal(headers['transfer-encoding'], 'chunked');
    assert.equal(headers['content-length'], undefined);
    assert.equal(headers['content-type'], 'application/x-ndjson');
  }));

test('rule 12: fields that the gateway does not know pass in both directions', () =>
  withRig({}, async rig => {
    const line =
      '{"model":"m","new_field":{"deep":[1e999,"\\u0000"]},"message":{"content":""},"done":true}\n';
    rig.backend.script = ({ socket }) => void socket.write(streamHead + chunk(line) + lastChunk);
    const body = '{"model":"m","messages":[],"__proto__":{"a":1},"future":[[]],"stream":true}';
    const answer = await rig.post('/api/chat', body);
    assert.equal(answer.text, line);
    assert.equal(rig.backend.seen[0]?.body, body);
  }));

for (const framing of ['with its length', 'chunked'] as const) {
  test(`rule 12: a body of 5 MB sent ${framing} reaches the backend byte for byte, but for the alias`, () =>
    withRig({ settings: { aliases: { fast: 'm:latest' } } }, async rig => {
      const image = Buffer.alloc(3_500_000, 'pixels ü').toString('base64');
      const text = (model: string): string =>
        `{"messages":[{"role":"user","content":"x","images":["${image}"]}], "model": "${model}","stream":false}`;
      const body = Buffer.from(text('fast'));
      const client = await rig.connect();
      const length = framing === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${body.length}`;
      client.write(`POST /api/chat HTTP/1.1\r\nhost: localhost\r\n${length}\r\n\r\n`);
      for (let at = 0; at < body.length; at += 70_001) {
        const piece = body.subarray(at, at + 70_001);
        if (framing === 'chunked') client.write(`${piece.length.toString(16)}\r\n`);
        client.socket.write(piece);
        if (framing === 'chunked') client.write('\r\n');
      }
      if (framing === 'chunked') client.write('0\r\n\r\n');
      await client.waitFor(/^HTTP\/1\.1 200 /);
      assert.equal(rig.backend.seen[0]?.body, text('m:latest'));
      client.socket.destroy();
    }));
}

test('rule 13: a reader that stops holds the backend back instead of filling memory, and hinders nobody', () =>
  withRig({ time: { writeStallMsMax: 20_000 } }, async rig => {
    let poured = 0;
    const line = chunk(tokenLine('a'.repeat(60_000)));
    rig.backend.script = request => {
      if (request.body.includes('other')) {
        answerStream(request);
        return;
      }
      request.socket.write(streamHead);
      const pour = (): void => {
        while (!request.socket.destroyed && request.socket.writableLength < 200_000) {
          request.socket.write(line);
          poured += line.length;
        }
      };
      request.socket.on('drain', pour);
      pour();
    };
    const heapBefore = process.memoryUsage().external;
    const client = await rig.connect();
    client.socket.pause();
    client.post('/api/chat', CHAT);
    // Socket buffers of the kernel on both legs take some megabytes; after that the backend stands still.
    let before = -1;
    while (poured > before && poured < 40_000_000) {
      before = poured;
      await sleep(500);
    }
    assert.equal(poured, before, 'it still pours');
    assert.ok(process.memoryUsage().external - heapBefore < 16_000_000);
    const other = await rig.chat({ messages: [{ role: 'user', content: 'other' }] });
    assert.match(other.text, /"done":true/);
    client.socket.destroy();
  }));

test('rule 13: a reader that stays stopped is cut after the write-stall limit', () =>
  withRig({ time: { writeStallMsMax: 300 } }, async rig => {
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      const line = chunk(tokenLine('a'.repeat(60_000)));
      const pour = (): void => {
        while (!socket.destroyed && socket.write(line));
      };
      socket.on('drain', pour);
      pour();
    };
    const client = await rig.connect();
    client.socket.pause();
    client.post('/api/chat', CHAT);
    await rig.assertClean();
    await until(
      async () => (await rig.requests())[0]?.code === 499,
      async () => JSON.stringify(await rig.requests()),
    );
    client.socket.destroy();
  }));

test('rule 13: a held answer of 20 MB to a stopped reader is cut too, after its slot was given back', () =>
  withRig({ time: { writeStallMsMax: 400 } }, async rig => {
    const big = `{"x":"${'a'.repeat(20_000_000)}"}`;
    rig.backend.script = ({ socket }) => void socket.write(httpAnswer(200, big));
    const client = await rig.connect();
    client.socket.pause();
    client.post('/api/chat', CHAT.replace('{', '{"stream":false,'));
    await until(
      async () => rig.backend.seen.length === 1 && (await rig.view()).tickets.length === 0,
      async () => 'the slot is still taken',
    );
    await rig.assertClean();
    client.socket.destroy();
  }));

test('rule 14: usage is read from the final line, also when `context` before it has 2 MB', () =>
  withRig({}, async rig => {
    const context = `[${'1,'.repeat(1_000_000)}1]`;
    const final = `{"model":"m","response":"","done":true,"context":${context},"prompt_eval_count":41,"eval_count":9}\n`;
    rig.backend.script = ({ socket }) => {
      socket.write(streamHead);
      for (let at = 0; at < final.length; at += 50_000) socket.write(chunk(final.slice(at, at + 50_000)));
      socket.write(lastChunk);
    };
    const answer = await rig.post('/api/generate', { model: 'm', prompt: 'x' });
    assert.equal(answer.text, final);
    const [record] = await rig.usage();
    assert.equal(record.promptTokens, 41);
    assert.equal(record.completionTokens, 9);
  }));

test('rule 14: the usage record is there before the client has the end of its answer', () =>
  withRig({}, async rig => {
    let recordsAtEnd = -1;
    rig.backend.script = ({ socket }) => {
      // The body is complete for the client, the HTTP message is not: the record may not wait for that.
      socket.write(streamHead + chunk(tokenLine('a')) + chunk(doneLine));
      setTimeout(() => socket.write(lastChunk), 100);
    };
    const client = await rig.connect();
    client.post('/api/chat', CHAT);
    await client.waitFor('"done":true');
    recordsAtEnd = (await rig.usage()).length;
    assert.equal(recordsAtEnd, 1);
    await client.waitFor('\r\n0\r\n\r\n');
    client.socket.destroy();
  }));

test('rule 15: usage that only the gateway asked for is taken out of the stream', () =>
  withRig({}, async rig => {
    rig.backend.script = ({ socket, body }) => {
      assert.match(body, /"stream_options":\{"include_usage":true\}/);
      socket.write(eventsHead + chunk(delta('Hi')) + chunk(usageEvent) + chunk(doneEvent) + lastChunk);
    };
    const answer = await rig.post('/v1/chat/completions', SSE_CHAT);
    assert.equal(answer.text, delta('Hi') + doneEvent);
    const [record] = await rig.usage();
    assert.deepEqual([record.promptTokens, record.completionTokens], [11, 3]);
  }));

test('rule 15: usage that the client asked for stays', () =>
  withRig({}, async rig => {
    const stream = delta('Hi') + usageEvent + doneEvent;
    rig.backend.script = ({ socket }) => void socket.write(eventsHead + chunk(stream) + lastChunk);
    const answer = await rig.post('/v1/chat/completions', {
      ...SSE_CHAT,
      stream_options: { include_usage: true },
    });
    assert.equal(answer.text, stream);
  }));

test('rule 16: an encoded answer passes as it is, and encodings are not asked for', () =>
  withRig({}, async rig => {
    const zipped = '\x1f\x8b\x08\x00pretend';
    rig.backend.script = ({ socket, headers }) => {
      assert.equal(headers.get('accept-encoding'), undefined);
      socket.write(
        Buffer.from(
          httpAnswer(200, zipped, { 'content-encoding': 'gzip', 'content-length': '11' }),
          'latin1',
        ),
      );
    };
    const answer = await rig.chat({ stream: false }, { headers: { 'accept-encoding': 'gzip, zstd' } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-encoding'], 'gzip');
    assert.equal(answer.headers['content-length'], '11');
  }));

test('rule 16: a request body with a content encoding is refused in the caller’s dialect', () =>
  withRig({}, async rig => {
    const answer = await rig.post('/v1/messages', 'x', { headers: { 'content-encoding': 'zstd' } });
    assert.equal(answer.status, 415);
    assert.equal(JSON.parse(answer.text).type, 'error');
    assert.equal(rig.backend.seen.length, 0);
  }));
