// What a create request may say. Never touches a store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergedParameters, readCreate } from './create-request.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('a create request names a model and its files by digest', () => {
  const request = readCreate({
    name: 'm',
    files: { 'a.gguf': digest },
    parameters: { stop: 'x', num_ctx: 4 },
    license: 'l',
  });
  assert.equal(request.name.model, 'm');
  assert.deepEqual(request.files, [digest]);
  assert.deepEqual(request.parameters, { stop: ['x'], num_ctx: 4 });
  assert.deepEqual(request.licenses, ['l']);
});

const refusals: readonly [Record<string, unknown>, string][] = [
  [{}, 'invalid model name'],
  [{ model: 'm', files: { '/etc/x': digest } }, 'file path must be relative'],
  [{ model: 'm', files: { '../x': digest } }, 'file path must be relative'],
  [{ model: 'm', files: { 'a.gguf': 'zz' } }, 'invalid digest format'],
  [
    { model: 'm', files: { 'a.safetensors': digest } },
    'only GGUF files are supported by the embedded engine',
  ],
  [
    { model: 'm', from: 'b', quantize: 'q4_0' },
    'quantization to q4_0 is not supported by the embedded engine',
  ],
  [{ model: 'm', license: 5 }, 'unknown license type: number'],
];

test('what cannot be made is refused before anything is written', () => {
  for (const [body, message] of refusals) assert.throws(() => readCreate(body), { status: 400, message });
});

test('new parameters win over those of the base', () => {
  assert.deepEqual(mergedParameters({ a: 1, b: 2 }, { b: 3 }), { a: 1, b: 3 });
  assert.deepEqual(mergedParameters(undefined, { b: 3 }), { b: 3 });
});
