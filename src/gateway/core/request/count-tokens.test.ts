// Counting tokens: the splice that makes a count out of a message request, and what comes back. Never asks a backend.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import { countTokensAnswer, countTokensEdits } from './count-tokens.ts';
import { applyEdits, modelEdit, parseInference } from './parse.ts';
import { matchRoute, RouteError } from './routes.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function asMessage(body: string): string {
  const edits = countTokensEdits(encode(body));
  assert.ok(!(edits instanceof BigoError));
  return new TextDecoder().decode(applyEdits(encode(body), edits));
}

test('the request to count becomes a message of one token, every other byte the same', () => {
  assert.equal(
    asMessage('{"model":"m","system":"S","messages":[{"role":"user","content":"hi"}],"tools":[]}'),
    '{"model":"m","max_tokens":1,"system":"S","messages":[{"role":"user","content":"hi"}],"tools":[]}',
  );
  assert.equal(
    asMessage('{"max_tokens": 4096, "stream":true,"model":"m","messages":[]}'),
    '{"max_tokens": 1, "stream":false,"model":"m","messages":[]}',
  );
});

test('the model can be replaced beside it', () => {
  const body = encode('{"model":"fast","messages":[]}');
  const match = matchRoute('POST', '/v1/messages/count_tokens');
  assert.ok(!(match instanceof RouteError));
  const request = parseInference(match.route, body);
  const edits = countTokensEdits(body);
  assert.ok(!(request instanceof BigoError) && !(edits instanceof BigoError));
  const edited = applyEdits(body, [...edits, modelEdit(request, 'x:1b')]);
  assert.equal(new TextDecoder().decode(edited), '{"model":"x:1b","max_tokens":1,"messages":[]}');
});

test('a body that cannot be read is refused', () => {
  for (const body of [
    '',
    '[]',
    '{"messages":[]}',
    '{"model":"m","MODEL":"n"}',
    '{"model":"m","Messages":[]}',
  ]) {
    assert.ok(countTokensEdits(encode(body)) instanceof BigoError, body);
  }
});

test("the count is the backend's own, none is made up", () => {
  const answer = '{"type":"message","content":[],"usage":{"input_tokens":34,"output_tokens":1}}';
  assert.deepEqual(countTokensAnswer(encode(answer)), { input_tokens: 34 });
  const none = countTokensAnswer(encode('{"type":"message","content":[]}'));
  assert.ok(none instanceof BigoError && none.code === 'backend_invalid');
});
