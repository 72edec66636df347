// Errors in each dialect, before the first byte and inside a stream; never a forged terminator.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError, type ErrorCode, ERRORS } from '../../../api/errors.ts';
import type { StreamShape } from '../request/types.ts';
import { errorBody, errorTail } from './errors.ts';
import { createTap } from './taps.ts';

const body = (dialect: Parameters<typeof errorBody>[0], code: ErrorCode): unknown =>
  JSON.parse(errorBody(dialect, new BigoError(code, 'It broke.'), 'r1').body);

test('each dialect reads the error in its own shape', () => {
  assert.deepEqual(body('ollama', 'draining'), { error: `It broke. ${ERRORS.draining.next}` });
  assert.deepEqual(body('openai', 'model_not_found'), {
    error: { message: 'It broke.', type: 'not_found_error', param: null, code: 'model_not_found' },
  });
  assert.deepEqual(body('anthropic', 'queue_timeout'), {
    type: 'error',
    error: { type: 'overloaded_error', message: 'It broke.' },
    request_id: 'r1',
  });
  assert.deepEqual(body('bigo', 'draining'), {
    error: { code: 'draining', message: 'It broke.', next: ERRORS.draining.next, requestId: 'r1' },
  });
});

test("Ollama's own words are told as they are, without a sentence after them", () => {
  const answer = errorBody('ollama', new BigoError('model_not_found', "model 'm' not found"), 'r1');
  assert.deepEqual(JSON.parse(answer.body), { error: "model 'm' not found" });
});

test('the type follows the status', () => {
  const table: readonly [ErrorCode, string, string][] = [
    ['bad_json', 'invalid_request_error', 'invalid_request_error'],
    ['unauthorized', 'authentication_error', 'authentication_error'],
    ['forbidden_model', 'permission_error', 'permission_error'],
    ['model_not_found', 'not_found_error', 'not_found_error'],
    ['wrong_method', 'invalid_request_error', 'invalid_request_error'],
    ['too_large', 'invalid_request_error', 'request_too_large'],
    ['queue_full', 'rate_limit_error', 'rate_limit_error'],
    ['no_backend', 'api_error', 'overloaded_error'],
    ['backend_failed', 'api_error', 'api_error'],
    ['first_byte_timeout', 'api_error', 'api_error'],
    ['internal', 'api_error', 'api_error'],
  ];
  for (const [code, openai, anthropic] of table) {
    const typeOf = (value: unknown): unknown => (value as { error: { type: unknown } }).error.type;
    assert.equal(typeOf(body('openai', code)), openai, code);
    assert.equal(typeOf(body('anthropic', code)), anthropic, code);
  }
});

test('every error has its status, the request id and, where told, when to try again', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const answer = errorBody('ollama', new BigoError(code, 'x', { retryAfterMs: 1200 }), 'r1');
    assert.equal(answer.status, ERRORS[code].status);
    assert.equal(answer.headers['retry-after'], '2');
    assert.equal(answer.headers['x-bigo-request-id'], 'r1');
  }
  assert.equal(errorBody('ollama', new BigoError('internal', 'x'), 'r').headers['retry-after'], undefined);
});

const shapes: readonly StreamShape[] = [
  'ollama_ndjson',
  'status_ndjson',
  'openai_sse',
  'responses_sse',
  'anthropic_sse',
];
const streams: Readonly<Record<string, string>> = {
  ollama_ndjson: '{"response":"a","done":false}\n{"response":"b","done":false}\n',
  status_ndjson: '{"status":"pulling manifest"}\n',
  openai_sse: 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
  responses_sse: 'event: x\ndata: {"type":"response.created"}\n\n',
  anthropic_sse: 'event: ping\ndata: {"type": "ping"}\n\n',
};

for (const shape of shapes) {
  test(`a ${shape} stream cut anywhere ends in an error that its client reads, and is not complete`, () => {
    const stream = streams[shape] ?? '';
    const bytes = new TextEncoder().encode(stream);
    for (let at = 0; at <= bytes.length; at++) {
      const tap = createTap(shape);
      tap.push(bytes.subarray(0, at));
      tap.push(errorTail(shape, new BigoError('stream_cut', 'It was cut.'), tap.report(), 'r1'));
      const report = tap.report();
      assert.match(report.error ?? '', /^It was cut\.( Ask again\.)?$/, `cut after ${at}`);
      assert.deepEqual([report.terminated, report.midLine], [false, false]);
    }
  });
}

test('a line that was cut is ended first, a whole one is left as it is', () => {
  const tail = (stream: string): string => {
    const tap = createTap('ollama_ndjson');
    tap.push(new TextEncoder().encode(stream));
    return new TextDecoder().decode(
      errorTail('ollama_ndjson', new BigoError('stream_cut', 'x'), tap.report()),
    );
  };
  assert.equal(tail('{"resp'), '\n{"error":"x"}\n');
  assert.equal(tail('{"response":"a"}\n'), '{"error":"x"}\n');
  assert.equal(tail(''), '{"error":"x"}\n');
});

test('nothing can be written into a cut JSON answer', () => {
  const report = createTap('json').report();
  assert.equal(errorTail('json', new BigoError('stream_cut', 'x'), report).length, 0);
});
