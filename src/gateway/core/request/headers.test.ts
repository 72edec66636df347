// What goes through and what never does, in both directions; Host and Origin as Ollama judges them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import {
  answerHeaders,
  checkEncoding,
  checkHost,
  checkOrigin,
  forwardHeaders,
  priorityOf,
  queueTimeoutOf,
} from './headers.ts';

const context = {
  requestId: 'req-1',
  traceHex: '0123456789abcdef'.repeat(3),
  clientIp: '10.0.0.7',
  proto: 'http',
} as const;

function forwarded(raw: Record<string, string>): Record<string, string> {
  return asObject(forwardHeaders(Object.entries(raw).flat(), context));
}
function asObject(flat: readonly string[]): Record<string, string> {
  const object: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) object[flat[at] ?? ''] = flat[at + 1] ?? '';
  return object;
}

const added = {
  'x-request-id': 'req-1',
  traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
  'x-forwarded-for': '10.0.0.7',
  'x-forwarded-proto': 'http',
};

test('what a backend must not see stays here', () => {
  const raw = {
    Host: 'gateway',
    Origin: 'null',
    Authorization: 'Bearer key',
    'X-Api-Key': 'key',
    Cookie: 'a=b',
    'Proxy-Authorization': 'x',
    'Accept-Encoding': 'gzip',
    'Content-Length': '12',
    'Transfer-Encoding': 'chunked',
    'Keep-Alive': 'timeout=5',
    TE: 'trailers',
    Trailer: 'X',
    Upgrade: 'h2c',
    Expect: '100-continue',
    'Content-Encoding': 'gzip',
    'X-Bigo-Priority': 'high',
    'X-Bigo-Backend': 'a',
    'X-Forwarded-Host': 'evil',
    'X-Request-Id': 'client',
    Forwarded: 'for=1',
    'X-Unknown': '1',
  };
  assert.deepEqual(forwarded(raw), added);
});

test('what a backend may read goes on', () => {
  const raw = { Accept: 'text/event-stream', 'Content-Type': 'application/json', 'User-Agent': 'ollama-js' };
  assert.deepEqual(forwarded({ ...raw, 'Anthropic-Version': '2023-06-01' }), {
    accept: 'text/event-stream',
    'content-type': 'application/json',
    'user-agent': 'ollama-js',
    'anthropic-version': '2023-06-01',
    ...added,
  });
});

test('a header that Connection names is for this hop only', () => {
  assert.deepEqual(forwarded({ Connection: 'keep-alive, User-Agent', 'User-Agent': 'x', Accept: '*/*' }), {
    accept: '*/*',
    ...added,
  });
});

test('the chain of senders grows by the client', () => {
  assert.equal(forwarded({ 'X-Forwarded-For': '1.2.3.4' })['x-forwarded-for'], '1.2.3.4, 10.0.0.7');
  assert.equal(forwarded({ 'X-Forwarded-For': '9'.repeat(2000) })['x-forwarded-for'], '10.0.0.7');
});

test('a valid trace goes on, an invalid one is replaced', () => {
  const valid = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
  assert.equal(forwarded({ Traceparent: valid })['traceparent'], valid);
  for (const invalid of [
    'x',
    `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-00`,
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-00`,
    `00-${'A'.repeat(32)}-${'b'.repeat(16)}-00`,
    `${valid}\r\nx`,
  ]) {
    assert.equal(forwarded({ Traceparent: invalid })['traceparent'], added.traceparent);
  }
});

test("an answer keeps its own headers, loses the hop's and gets ours", () => {
  const raw = [
    ['Content-Type', 'application/x-ndjson'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'close, X-Hop'],
    ['X-Hop', '1'],
    ['Date', 'now'],
    ['Set-Cookie', 'a=b'],
    ['X-Bigo-Reason', 'forged'],
    ['Access-Control-Allow-Origin', '*'],
    ['Cache-Control', 'max-age=9'],
    ['Retry-After', '3'],
  ].flat();
  const kept = { 'content-type': 'application/x-ndjson', 'retry-after': '3' };
  assert.deepEqual(asObject(answerHeaders(raw, 'whole')), kept);
  assert.deepEqual(asObject(answerHeaders(raw, 'stream')), {
    ...kept,
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
});

test('priority and queue limit are words and whole milliseconds, anything else is 400', () => {
  assert.equal(priorityOf({}), 'normal');
  assert.equal(priorityOf({ 'x-bigo-priority': 'batch' }), 'batch');
  for (const value of ['HIGH', 'urgent', '', ['high', 'low']]) {
    const error = priorityOf({ 'x-bigo-priority': value });
    assert.ok(error instanceof BigoError && error.status === 400);
  }
  assert.equal(queueTimeoutOf({}), undefined);
  assert.equal(queueTimeoutOf({ 'x-bigo-queue-timeout-ms': '0' }), 0);
  assert.equal(queueTimeoutOf({ 'x-bigo-queue-timeout-ms': '2500' }), 2500);
  for (const value of ['-1', '1.5', '1e3', 'soon', '', ' 5', '99999999', ['1', '2']]) {
    assert.ok(queueTimeoutOf({ 'x-bigo-queue-timeout-ms': value }) instanceof BigoError, String(value));
  }
});

test('a compressed body is refused, and said which', () => {
  assert.equal(checkEncoding({}), undefined);
  assert.equal(checkEncoding({ 'content-encoding': 'identity' }), undefined);
  for (const value of ['gzip', 'zstd', 'br', 'gzip, zstd', 'GZIP']) {
    const error = checkEncoding({ 'content-encoding': value });
    assert.ok(error instanceof BigoError && error.status === 415 && error.message.includes(value));
  }
});

test('Host: addresses, local names and configured ones pass, other names do not', () => {
  for (const host of [
    undefined,
    '',
    'localhost',
    'LOCALHOST:11434',
    'sub.localhost',
    'mac.local:80',
    'host.docker.internal',
    '127.0.0.1:11434',
    '192.168.1.5',
    '8.8.8.8:1',
    '[::1]:11434',
    '[fe80::1]',
    'box:11434',
    'llm.example.com',
    'llm.example.com:443',
    'a.fleet.example.org',
    'chat-ollama.ml.svc.cluster.local.:11434',
    'LLM.example.com.',
  ]) {
    assert.equal(checkHost(host, ['llm.example.com', '*.fleet.example.org'], 'Box'), undefined, host);
  }
  for (const host of [
    'evil.example',
    'evil.example.',
    'localhost.evil.example',
    'llm.example.com.evil.example',
    'xllm.example.com',
    'fleet.example.org',
    '127.0.0.1.evil.example',
    '127.1',
    '2130706433',
    '256.1.1.1',
    '1.2.3.4.',
    'localhost:',
    'localhost..',
    'localhost:99999999',
    'a b',
    'user@localhost',
    'localhost/x',
    '[::1',
    '::1',
  ]) {
    const error = checkHost(host, ['llm.example.com', '*.fleet.example.org'], 'Box');
    assert.ok(error instanceof BigoError && error.status === 403, host);
  }
  assert.equal(checkHost('evil.example', ['*']), undefined);
});

test("Origin: Ollama's defaults, the gateway's own pages and configured ones pass", () => {
  const allowed = ['https://chat.example.com', 'http://10.0.*'];
  for (const origin of [
    undefined,
    'http://localhost',
    'https://localhost:3000',
    'http://127.0.0.1:8080',
    'http://0.0.0.0:1',
    'http://[::1]:3000',
    'app://obsidian.md',
    'file://',
    'tauri://localhost',
    'vscode-webview://abc',
    'vscode-file://vscode-app',
    'chrome-extension://abcdef',
    'https://chat.example.com',
    'http://10.0.0.5:3000',
    'http://llm.example.com:11434',
  ]) {
    assert.equal(checkOrigin(origin, allowed, 'llm.example.com:11434'), undefined, origin);
  }
  for (const origin of [
    'null',
    'https://evil.example',
    'http://localhost.evil.example',
    'http://localhost:3000.evil.example',
    'http://127.0.0.1@evil.example',
    'https://chat.example.com.evil.example',
    'https://chat.example.com:444',
    'http://llm.example.com',
    'xapp://x',
  ]) {
    const error = checkOrigin(origin, allowed, 'llm.example.com:11434');
    assert.ok(error instanceof BigoError && error.status === 403, origin);
  }
  assert.equal(checkOrigin('null', ['*']), undefined);
});
