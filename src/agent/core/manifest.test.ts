// Rules of Ollama's manifests. Never opens a store.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseModelName } from '../../api/names.ts';
import { hexOf, manifestPath, nameOfPath, readManifest } from './manifest.ts';

const digest = 'a'.repeat(64);

test('a model lies where Ollama puts it, and is read back from there', () => {
  const name = parseModelName('127.0.0.1:5000/library/smollm2:135m');
  assert.ok(name);
  assert.equal(manifestPath(name), '127.0.0.1:5000/library/smollm2/135m');
  assert.deepEqual(nameOfPath(manifestPath(name)), name);
  assert.equal(nameOfPath('registry.ollama.ai/library/a'), undefined);
  assert.equal(nameOfPath('a/b/c/d/e'), undefined);
});

test('every layer and the config count, a blob that is named twice once', () => {
  const layer = { digest: `sha256:${digest}`, size: 5, mediaType: 'x' };
  const config = { digest: `sha256:${'b'.repeat(64)}`, size: 1 };
  assert.deepEqual(readManifest(JSON.stringify({ layers: [layer, layer], config })), [
    { digest, sizeBytes: 5 },
    { digest: 'b'.repeat(64), sizeBytes: 1 },
  ]);
});

test('half a manifest, or one with a strange digest, is none', () => {
  assert.equal(readManifest('{"layers":[{"digest":"sha256:'), undefined);
  const strange = { digest: 'sha256:../../etc/passwd', size: 1 };
  assert.equal(readManifest(JSON.stringify({ layers: [strange], config: strange })), undefined);
  fc.assert(fc.property(fc.json(), text => void readManifest(text)));
});

test('a digest is 64 hex digits and nothing else, so that it can be a file name', () => {
  assert.equal(hexOf(`sha256-${digest}`), digest);
  assert.equal(hexOf(`sha256-${digest}-partial`), undefined);
  assert.equal(hexOf(`sha256:${digest}/..`), undefined);
});
