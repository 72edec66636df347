// Taking out the usage chunk that we asked for, and not one byte more.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createUsageStripper } from './strip.ts';

const recording = (name: string): string =>
  readFileSync(new URL(`../../../../test/recordings/${name}`, import.meta.url), 'latin1');
const encode = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

function stripped(...chunks: readonly string[]): string {
  const stripper = createUsageStripper();
  const parts = chunks.flatMap(chunk => [...stripper.push(encode(chunk))]);
  return Buffer.concat([...parts, ...stripper.end()]).toString('latin1');
}

/** What differs between two runs of one request. */
const sameRun = (text: string): string =>
  text.replaceAll(/cmpl-\d+/g, 'cmpl').replaceAll(/"created":\d+/g, '"created":0');

for (const kind of ['chat', 'completions']) {
  test(`a client of ${kind} that did not ask for usage sees the stream of one that nobody asked for`, () => {
    const asked = recording(`openai-${kind}-usage.txt`);
    const plain = recording(`openai-${kind}.txt`);
    assert.notEqual(sameRun(asked), sameRun(plain));
    assert.equal(sameRun(stripped(asked)), sameRun(plain));
    assert.equal(sameRun(stripped(...asked.split(''))), sameRun(plain));
  });
}

const event = (value: unknown, end = '\n\n'): string => `data: ${JSON.stringify(value)}${end}`;
const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const done = 'data: [DONE]\n\n';

test('only an event with usage and without choices is taken out', () => {
  const kept = [
    event({ choices: [{ delta: { content: '"usage":{"prompt_tokens":1},"choices":[]' } }] }),
    event({ choices: [{ delta: {} }], usage }),
    event({ choices: [], usage: null }),
    event({ choices: [] }),
    event({ usage }),
    event({ nested: { choices: [], usage } }),
    event({ error: { message: 'usage' }, choices: [] }),
    ': {"choices":[],"usage":{}}\n\n',
    'data: {"choices":[],"usage":{"a":1}\n\n',
    'event: usage\ndata: x\n\n',
    done,
  ];
  assert.equal(stripped(kept.join('')), kept.join(''));
  assert.equal(stripped(kept.join('') + event({ choices: [], usage }) + done), kept.join('') + done);
});

test('the usage chunk is found in other spellings', () => {
  for (const chunk of [
    event({ usage, choices: [] }),
    event({ choices: [], usage }, '\r\n\r\n'),
    'data:{"choices" : [ ] , "usage" : {"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}\n\n',
    event({ choices: null, usage }),
  ]) {
    assert.equal(stripped(`${event({ a: 1 })}${chunk}${done}`), event({ a: 1 }) + done, chunk);
  }
});

test('zeros of usage are cut out of a chunk with text, real numbers are not', () => {
  const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const choices = [{ text: 'x' }];
  assert.equal(stripped(event({ choices, usage: zeros })), event({ choices }));
  assert.equal(stripped(event({ choices, usage: zeros, model: 'm' })), event({ choices, model: 'm' }));
  assert.equal(stripped(event({ choices, usage })), event({ choices, usage }));
  const quoted = event({
    choices: [{ text: ',"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}' }],
  });
  assert.equal(stripped(quoted), quoted);
});

test('whole events go on at once, in the bytes they came in', () => {
  const stripper = createUsageStripper();
  const chunk = encode(event({ choices: [{ delta: { content: 'a' } }] }));
  const [part, ...more] = stripper.push(chunk);
  assert.deepEqual([part?.buffer === chunk.buffer, part?.length, more.length], [true, chunk.length, 0]);
  assert.deepEqual(stripper.end(), []);
});

test('an event that is not complete waits for its end, and is not lost when the stream is cut', () => {
  const stripper = createUsageStripper();
  const sent = stripper.push(encode(`${event({ a: 1 })}data: {"cho`));
  assert.equal(Buffer.concat(sent).toString(), event({ a: 1 }));
  assert.equal(Buffer.concat(stripper.end()).toString(), 'data: {"cho');
});

test('an event too long to be the usage chunk is not held', () => {
  const stripper = createUsageStripper();
  const long = event({ choices: [{ delta: { content: 'x'.repeat(300_000) } }], usage });
  let sent = '';
  let heldMax = 0;
  for (let at = 0; at < long.length; at += 10_000) {
    for (const part of stripper.push(encode(long.slice(at, at + 10_000))))
      sent += Buffer.from(part).toString();
    heldMax = Math.max(heldMax, Math.min(at + 10_000, long.length) - sent.length);
  }
  assert.ok(heldMax <= 80_000, `${heldMax}`);
  for (const part of stripper.push(encode(event({ choices: [], usage }) + done)))
    sent += Buffer.from(part).toString();
  assert.equal(sent, long + done);
});
