// The loopback registry does what a registry does, and what it is told to do wrong; the real Ollama pulls from it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { find, skipUnless } from './parts.ts';
import { startOllama, type RealOllama } from './real-ollama.ts';
import { startRegistry, type Registry } from './registry.ts';
import { digestOf, tinyGguf } from './tiny-gguf.ts';

const run = promisify(execFile);
const skip = await skipUnless('ollama');
const tiny = tinyGguf();

async function registryWithTiny(t: TestContext): Promise<Registry> {
  const registry = await startRegistry();
  t.after(() => registry.stop());
  await registry.addModel('library/tiny:1', { gguf: tiny, parameters: { num_thread: 1 } });
  return registry;
}

async function blob(registry: Registry, range?: string): Promise<Response> {
  const headers = range === undefined ? {} : { Range: range };
  return fetch(`http://${registry.host}/v2/library/tiny/blobs/${digestOf(tiny)}`, { headers });
}

async function pull(ollama: RealOllama, registry: Registry, name = 'library/tiny:1'): Promise<string> {
  const body = JSON.stringify({ model: `${registry.host}/${name}`, insecure: true, stream: false });
  return (await fetch(`${ollama.url}/api/pull`, { method: 'POST', body })).text();
}

test('a blob comes whole or as the range that was asked for', async t => {
  const registry = await registryWithTiny(t);
  assert.equal(digestOf(new Uint8Array(await (await blob(registry)).arrayBuffer())), digestOf(tiny));
  const part = await blob(registry, 'bytes=4-7');
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), `bytes 4-7/${tiny.length}`);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), tiny.subarray(4, 8));
  assert.deepEqual(registry.requests.at(-1)?.range, 'bytes=4-7');
});

test('ordered faults happen as often as ordered', async t => {
  const registry = await registryWithTiny(t);
  registry.setFault(digestOf(tiny), { status: 503, times: 1 });
  assert.equal((await blob(registry)).status, 503);
  registry.setFault(digestOf(tiny), { wrongByte: true, redirect: 'sameHost' });
  assert.notEqual(digestOf(new Uint8Array(await (await blob(registry)).arrayBuffer())), digestOf(tiny));
  assert.match(registry.requests.at(-1)?.path ?? '', /^\/direct\//);
  registry.setFault(digestOf(tiny), { claimMoreBytes: 10 });
  await assert.rejects(async () => (await blob(registry)).arrayBuffer());
});

test('a cut body stops after exactly the ordered bytes', async t => {
  const registry = await registryWithTiny(t);
  registry.setFault(digestOf(tiny), { cutAfterBytes: 100_000, bytesPerSecond: 4_000_000 });
  let got = 0;
  await assert.rejects(async () => {
    for await (const chunk of (await blob(registry)).body ?? []) got += (chunk as Uint8Array).length;
  });
  assert.equal(got, 100_000);
});

test('a real Ollama pulls a model, and says so when it is not there', { skip }, async t => {
  const registry = await registryWithTiny(t);
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  assert.match(await pull(ollama, registry), /"status":"success"/);
  assert.match(await pull(ollama, registry, 'library/none:1'), /"error"/);
});

test('a real Ollama goes on after a cut', { skip }, async t => {
  const registry = await registryWithTiny(t);
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  registry.setFault(digestOf(tiny), { cutAfterBytes: 200_000, times: 2 });
  assert.match(await pull(ollama, registry), /"status":"success"/);
  const bodies = registry.requests.filter(
    request => request.path.startsWith('/direct/') && request.range !== undefined,
  );
  assert.ok(bodies.filter(request => request.path.includes(digestOf(tiny))).length >= 3);
});

test('a real Ollama refuses a blob that is not what its digest says', { skip }, async t => {
  const registry = await registryWithTiny(t);
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  registry.setFault(digestOf(tiny), { wrongByte: true });
  assert.match(await pull(ollama, registry), /digest mismatch/);
});

test('the real command line pulls SmolLM2', { skip: await skipUnless('ollama', 'smollm2') }, async t => {
  const registry = await startRegistry();
  t.after(() => registry.stop());
  await registry.addModel('library/smollm2:135m', { gguf: (await find('smollm2')) ?? '' });
  const ollama = await startOllama();
  t.after(() => ollama.stop());
  const env = { ...process.env, OLLAMA_HOST: ollama.url };
  await run(ollama.binary, ['pull', '--insecure', `${registry.host}/library/smollm2:135m`], { env });
  const { stdout } = await run(ollama.binary, ['list'], { env });
  assert.match(stdout, /smollm2:135m/);
});
