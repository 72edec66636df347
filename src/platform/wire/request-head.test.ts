// What the lane takes for a plain request, and what it leaves to node:http.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readRequestHead } from './request-head.ts';

const start = 'POST /api/chat HTTP/1.1\r\n';
const usual = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n';

test('a plain request is read with names in lower case and values without their outer spaces', () => {
  const head = readRequestHead(`${start}${usual}X-Api-Key: \t a b \r\n`);
  assert.equal(head?.method, 'POST');
  assert.equal(head?.path, '/api/chat');
  assert.equal(head?.bodyBytes, 5);
  assert.equal(head?.headers['x-api-key'], 'a b');
  assert.deepEqual(head?.fields.slice(0, 2), ['host', 'localhost']);
});

test('a request without a body needs no length', () => {
  assert.equal(readRequestHead('GET /api/tags HTTP/1.1\r\nhost: x\r\n')?.bodyBytes, 0);
});

for (const [what, text] of [
  ['HTTP/1.0', `POST /api/chat HTTP/1.0\r\n${usual}`],
  ['two spaces', `POST  /api/chat HTTP/1.1\r\n${usual}`],
  ['a query', `POST /api/chat?x=1 HTTP/1.1\r\n${usual}`],
  ['an escaped path', `POST /api/%63hat HTTP/1.1\r\n${usual}`],
  ['an absolute target', `POST http://localhost/api/chat HTTP/1.1\r\n${usual}`],
  ['another method', `DELETE /api/delete HTTP/1.1\r\n${usual}`],
  ['a method in lower case', `post /api/chat HTTP/1.1\r\n${usual}`],
  ['an empty line first', `\r\n${start}${usual}`],
  ['no host', `${start}content-length: 5\r\n`],
  ['an empty host', `${start}host:\r\ncontent-length: 5\r\n`],
  ['two hosts', `${start}${usual}host: localhost\r\n`],
  ['no length', `${start}host: x\r\n`],
  ['two lengths', `${start}${usual}content-length: 5\r\n`],
  ['two equal fields of any name', `${start}${usual}accept: a\r\nAccept: a\r\n`],
  ['a signed length', `${start}host: x\r\ncontent-length: +5\r\n`],
  ['a hexadecimal length', `${start}host: x\r\ncontent-length: 0x5\r\n`],
  ['a list of lengths', `${start}host: x\r\ncontent-length: 5, 5\r\n`],
  ['a length where no body belongs', `GET /api/tags HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n`],
  ['chunks', `${start}host: x\r\ntransfer-encoding: chunked\r\n`],
  ['chunks and a length', `${start}${usual}transfer-encoding: chunked\r\n`],
  ['an expectation', `${start}${usual}expect: 100-continue\r\n`],
  ['an upgrade', `${start}${usual}upgrade: h2c\r\n`],
  ['a connection that is to close', `${start}${usual}connection: close\r\n`],
  ['a field that the connection names', `${start}${usual}connection: x-a\r\nx-a: 1\r\n`],
  ['a space before the colon', `${start}${usual}x-a : 1\r\n`],
  ['a folded field', `${start}${usual}x-a: 1\r\n 2\r\n`],
  ['a bare line feed', `${start}${usual}x-a: 1\nx-b: 2\r\n`],
  ['a bare carriage return', `${start}${usual}x-a: 1\rx-b: 2\r\n`],
  ['a null byte', `${start}${usual}x-a: \u0000\r\n`],
  ['a field without a name', `${start}${usual}: 1\r\n`],
] as const) {
  test(`${what} is not plain`, () => assert.equal(readRequestHead(text), undefined));
}

test('a field of any name is its own: none reaches the prototype of an object', () => {
  const head = readRequestHead(`${start}${usual}__proto__: x\r\nconstructor: y\r\n`);
  assert.equal(head?.headers['__proto__'], 'x');
  assert.equal(head?.headers['constructor'], 'y');
});

test('no text makes the reader throw', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), text => {
      readRequestHead(text);
      readRequestHead(`${start}${text}\r\n`);
    }),
  );
});
