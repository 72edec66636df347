// `bigo size` as a person types it: from a registry, which is asked for no weights, and with nothing that could answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { startRegistry } from '../tools/registry.ts';
import { tinyGguf } from '../tools/tiny-gguf.ts';
import { aHome } from './bigo.ts';

test('a model that no server has is sized from the registry of its name', async t => {
  const registry = await startRegistry();
  t.after(() => registry.stop());
  const gguf = tinyGguf({ contextLength: 2048 });
  await registry.addModel('library/tiny:1', { gguf });
  const name = `${registry.host}/library/tiny:1`;
  const result = await aHome(t).run(['size', name, '--endpoint', 'http://127.0.0.1:1', '--json']);
  assert.equal(result.code, 0, result.stderr);
  const { size, wish, diskBytes } = JSON.parse(result.stdout) as {
    size: { weightsBytes: number; kvCacheBytes: number };
    wish: { contextTokens: number };
    diskBytes: number;
  };
  assert.equal(wish.contextTokens, 2048);
  assert.equal(size.weightsBytes, gguf.length);
  assert.ok(diskBytes > gguf.length);
  // 2 blocks, 4 heads of 16 for keys and as many for values, 2 bytes each.
  assert.equal(size.kvCacheBytes, 2048 * 2 * 4 * (16 + 16) * 2);
});

test('when nothing answers, both addresses are named with what to do', async t => {
  const name = '127.0.0.1:1/library/tiny:1';
  const result = await aHome(t).run(['size', name, '--endpoint', 'http://127.0.0.1:1']);
  assert.equal(result.code, 1);
  assert.match(
    result.stderr,
    /tiny:1 cannot be sized:\n +nothing answers at http:\/\/127\.0\.0\.1:1 \(--endpoint\)/,
  );
  assert.match(result.stderr, /the registry 127\.0\.0\.1:1 cannot be reached: .*\n.*--endpoint URL/);
});

test('a server that tells too little is told so by the names of what is missing', async t => {
  const name = '127.0.0.1:1/library/tiny:1';
  const fake = await startFakeOllama({ models: [{ name, sizeBytes: 1_000_000 }], tokenMs: 1, loadMs: 1 });
  t.after(() => fake.stop());
  const result = await aHome(t).run(['size', name, '--endpoint', fake.url]);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /cannot be computed: llama\.block_count.* missing/);
});

test('what is no name, no number or no type of cache is refused (exit 64)', async t => {
  const home = aHome(t);
  for (const args of [
    ['a b'],
    ['m', '--context', '0'],
    ['m', '--parallel', 'two'],
    ['m', '--kv-cache-type', 'f8'],
  ]) {
    const result = await home.run(['size', ...args]);
    assert.equal(result.code, 64, args.join(' '));
  }
});
