// `--set`: every text becomes the field that it names, or is refused.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setValues, unknownField } from './set-values.ts';

const read = (text: string): unknown => JSON.parse(text) as unknown;

it('several texts become one object, the later one wins', () => {
  const result = setValues(['a.b=1', 'a.c="x=y"', 'a.b=2', 'd=[1]'], read);
  assert.deepEqual(result, { fields: { a: { b: 2, c: 'x=y' }, d: [1] } });
});

it('a dot inside a name is escaped', () => {
  assert.deepEqual(setValues(['s.nvidia\\.com/gpu=1'], read), { fields: { s: { 'nvidia.com/gpu': 1 } } });
});

it('what names no field is refused', () => {
  for (const text of ['a', '=1', '.a=1', 'a..b=1', '__proto__.x=1', 'a b=1']) {
    assert.ok('problem' in setValues([text], read), text);
  }
});

it('the first field that the schema does not know is named by its path', () => {
  assert.equal(unknownField({ a: { b: 1, c: { d: 1 } } }, { a: { b: 1, c: {} } }), 'a.c.d');
  assert.equal(unknownField({ a: [{ b: 1 }] }, { a: [{ b: 1 }] }), undefined);
});
