// Answers of HTTP/1.1 read from pieces cut anywhere, and everything that must not be taken for one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AnswerHead } from './answer-head.ts';
import { AnswerReader } from './answer-reader.ts';

interface Read {
  readonly heads: AnswerHead[];
  readonly body: string;
  readonly ended: boolean;
  readonly wellFormed: boolean;
  readonly tooMuch: boolean;
}

/** Every piece is overwritten after it was read, as the memory of a connection is. */
function read(pieces: readonly Buffer[], closes = false): Read {
  const heads: AnswerHead[] = [];
  const body: Buffer[] = [];
  let ended = false;
  const reader = new AnswerReader({
    onHead: head => heads.push(head),
    onBody: bytes => body.push(Buffer.from(bytes)),
    onEnd: () => (ended = true),
  });
  const wellFormed = pieces.every(piece => {
    const memory = Buffer.from(piece);
    const fine = reader.read(memory);
    memory.fill(0x2a);
    return fine;
  });
  if (closes) reader.endOfConnection();
  return { heads, body: Buffer.concat(body).toString('latin1'), ended, wellFormed, tooMuch: reader.tooMuch };
}

const readText = (text: string, closes = false): Read => read([Buffer.from(text, 'latin1')], closes);

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map(place => place % bytes.length).sort((a, b) => a - b), bytes.length];
  let from = 0;
  return ends.map(end => bytes.subarray(from, (from = end)));
}

function chunked(parts: readonly string[]): string {
  const chunks = parts.map(part => `${part.length.toString(16)};x=y\r\n${part}\r\n`).join('');
  return `HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n${chunks}0\r\nx-trailer: 1\r\n\r\n`;
}

const parts = fc.array(fc.string({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 8 });
const places = fc.array(fc.nat(), { maxLength: 12 });

test('a chunked body comes out the same wherever the connection cut it', () => {
  fc.assert(
    fc.property(parts, places, (texts, cuts) => {
      const plain = texts.map(text => Buffer.from(text).toString('latin1'));
      const result = read(cutAt(Buffer.from(chunked(plain), 'latin1'), cuts));
      assert.equal(result.body, plain.join(''));
      assert.deepEqual([result.ended, result.wellFormed, result.tooMuch], [true, true, false]);
    }),
  );
});

test('a body of known length comes out the same wherever the connection cut it, and ends with its last byte', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 100 }), places, (text, cuts) => {
      const body = Buffer.from(text);
      const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length:${body.length}\r\n\r\n`);
      const result = read(cutAt(Buffer.concat([head, body]), cuts));
      assert.equal(result.body, body.toString('latin1'));
      assert.deepEqual([result.ended, result.wellFormed], [true, true]);
    }),
  );
});

test('no bytes at all make the reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), places, (bytes, cuts) => {
      const start = Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      if (bytes.length > 0) read(cutAt(Buffer.from(bytes), cuts));
      read([start, Buffer.from(bytes)]);
    }),
  );
});

test('a body without a length ends with the connection, and only that one does', () => {
  assert.equal(readText('HTTP/1.1 200 OK\r\n\r\nabc', true).ended, true);
  assert.equal(readText('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc', true).ended, false);
  assert.equal(readText(chunked(['abc']).slice(0, -4), true).ended, false);
  assert.equal(readText('HTTP/1.1 200', true).ended, false);
});

test('informational answers come before the final one, which has the body', () => {
  const result = readText('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na');
  assert.deepEqual(
    result.heads.map(head => head.status),
    [102, 200],
  );
  assert.equal(result.body, 'a');
});

test('an answer that may not have a body has none', () => {
  for (const status of [204, 304]) {
    assert.equal(readText(`HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\n`).ended, true, String(status));
  }
});

test('bytes behind the end of an answer are told: its connection cannot carry another one', () => {
  assert.equal(readText('HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab').tooMuch, true);
  assert.equal(readText(`${chunked(['a'])}HTTP/1.1 200 OK\r\n\r\n`).tooMuch, true);
});

test('whether the connection stays open follows the version and the Connection field', () => {
  const keeps = (start: string): boolean | undefined =>
    readText(`${start}content-length: 0\r\n\r\n`).heads[0]?.keepsAlive;
  assert.equal(keeps('HTTP/1.1 200 OK\r\n'), true);
  assert.equal(keeps('HTTP/1.1 200 OK\r\nConnection: Close\r\n'), false);
  assert.equal(keeps('HTTP/1.1 200 OK\r\nConnection: x, close\r\n'), false);
  assert.equal(keeps('HTTP/1.0 200 OK\r\n'), false);
  assert.equal(keeps('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n'), true);
  assert.equal(readText('HTTP/1.1 200 OK\r\n\r\n').heads[0]?.keepsAlive, false);
});

for (const [what, text] of [
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status that is none', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['a switch of protocols', 'HTTP/1.1 101 Switching\r\nupgrade: h2c\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\na'],
  ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
  ['another coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
  ['a folded field', 'HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nx-a : 1\r\n\r\n'],
  ['a bare line feed', 'HTTP/1.1 200 OK\r\nx-a: 1\nx-b: 2\r\n\r\n'],
  ['a control character', 'HTTP/1.1 200 OK\r\nx-a: \u0000\r\n\r\n'],
  ['a head without end', `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(40_000)}`],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n'],
  ['a chunk of a negative size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n'],
  ['a chunk beyond all bounds', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffff\r\n'],
  ['a chunk longer than it says', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n'],
  ['a bare line feed after a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n'],
  ['extensions without end', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'a'.repeat(40_000)}`],
  [
    'trailers without end',
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(9_000)}`,
  ],
] as const) {
  test(`${what} is not an answer of HTTP/1.1`, () => assert.equal(readText(text).wellFormed, false));
}
