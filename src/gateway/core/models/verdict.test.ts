// The rows of the two decision lists, and the small parts beside them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BigoError } from '../../../api/errors.ts';
import { withStream } from './create-body.ts';
import { errorWords, readLine } from './read-line.ts';
import { verdictOfHolders, verdictOfProgress, type StoreAnswer, type StoreResult } from './verdict.ts';

const answer = (backend: string, result: StoreResult): StoreAnswer => ({
  store: `store-${backend}`,
  backend,
  result,
});
const done = (backend: string) => answer(backend, { type: 'done' });
const gone = (backend: string) => answer(backend, { type: 'gone', message: 'it does not answer' });
const refused = (backend: string, message: string, status = 500) =>
  answer(backend, { type: 'refused', status, message });
const absent = { status: 404, message: "model 'm' not found" };
const codeOf = (error: unknown): string => (error instanceof BigoError ? error.code : JSON.stringify(error));

test('a pull that all stores finished is done; who was away is late', () => {
  assert.deepEqual(verdictOfProgress([done('a'), done('b')]), { late: [] });
  const verdict = verdictOfProgress([done('a'), gone('b')]);
  assert.equal(verdict.error, undefined);
  assert.deepEqual(
    verdict.late.map(({ store }) => store),
    ['store-b'],
  );
});

test('nobody to ask, or nobody who answers, is an error that names them', () => {
  assert.equal(codeOf(verdictOfProgress([]).error), 'no_backend');
  const { error } = verdictOfProgress([gone('a'), gone('b')]);
  assert.equal(codeOf(error), 'no_backend');
  assert.match(error?.message ?? '', /a: it does not answer; b:/);
});

test('what all say alike is passed on in their words; what they say differently names each', () => {
  const alike = verdictOfProgress([refused('a', 'file does not exist'), refused('b', 'file does not exist')]);
  assert.deepEqual(alike.error, { status: 500, message: 'file does not exist' });
  const { error } = verdictOfProgress([refused('a', 'disk full'), refused('b', 'file does not exist')]);
  assert.equal(error?.message, 'a: disk full; b: file does not exist');
});

test('a store that answers and did not do it is an error even if another did', () => {
  const { error } = verdictOfProgress([done('a'), refused('b', 'no space left on device')]);
  assert.ok(error instanceof BigoError);
  assert.equal(error.message, 'b: no space left on device (done on a)');
  assert.equal(error.backend, 'b');
});

test('a delete is complete only when every holder made it; one that lost the model meanwhile is no obstacle', () => {
  assert.equal(verdictOfHolders([done('a'), refused('b', 'gone', 404)], absent).error, undefined);
  assert.equal(verdictOfHolders([refused('a', 'x', 404), refused('b', 'x', 404)], absent).error, absent);
  const { error, late } = verdictOfHolders([done('a'), gone('b')], absent);
  assert.equal(codeOf(error), 'store_unreachable');
  assert.match(
    error?.message ?? '',
    /^b: it does not answer\. The change is applied there when it returns\.$/,
  );
  assert.equal(late.length, 1);
  assert.equal(codeOf(verdictOfHolders([done('a'), refused('b', 'denied')], absent).error), 'backend_failed');
  assert.deepEqual(verdictOfHolders([refused('a', 'bad', 400)], absent).error, {
    status: 400,
    message: 'bad',
  });
});

test('a progress line is read whatever a server writes; an error may be any value', () => {
  assert.deepEqual(readLine('{"status":"success"}'), { type: 'success' });
  assert.deepEqual(readLine('{"error":"pull model manifest: x"}'), {
    type: 'error',
    message: 'pull model manifest: x',
  });
  assert.deepEqual(readLine('{"error":{"a":1}}'), { type: 'error', message: '{"a":1}' });
  assert.deepEqual(readLine('{"status":"pulling x","digest":"d","total":5}'), {
    type: 'progress',
    line: { status: 'pulling x', digest: 'd', total: 5, completed: 0 },
  });
  assert.deepEqual(readLine('{"status":"s","digest":"d","total":-1,"completed":"x"}'), {
    type: 'progress',
    line: { status: 's', digest: 'd', total: 0, completed: 0 },
  });
  for (const text of ['', 'null', '[]', '{"status":5}', '<html>'])
    assert.equal(readLine(text).type, 'other', text);
  assert.equal(errorWords('<html>', 502), 'it answered with status 502');
});

test('a create asks for a stream whatever it said before, and every other byte stays', () => {
  const body = Buffer.from('{"model":"m","stream":false,"parameters":{"seed":12345678901234567890}} \n');
  const text = Buffer.from(withStream(body)).toString();
  assert.equal(
    text,
    '{"model":"m","stream":false,"parameters":{"seed":12345678901234567890},"stream":true} \n',
  );
  assert.equal((JSON.parse(text) as { stream: boolean }).stream, true);
});
