// `bigo drain` of a backend without a cluster: it waits for what runs there, or not, and says how it ended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome } from './bigo.ts';

test('drain waits until nothing runs on the backend; its exit code says whether it had the time', async t => {
  // Longer than any test: it ends when its client leaves.
  const endless = { tokenMs: 50, tokensMedian: 20_000, tokensSigma: 0 };
  const fake = await startFakeOllama({ models: [{ name: 'llama3.2:1b' }], loadMs: 1, ...endless });
  t.after(() => fake.stop());
  const home = aHome(t);
  const gateway = home.start([
    ...['gateway', '--backend', `${fake.url},name=a`],
    ...['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
  ]);
  const { url } = await gateway.ready();
  const client = new AbortController();
  const answer = await fetch(`${url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: 'llama3.2:1b', prompt: 'tell me' }),
    signal: client.signal,
  });
  assert.equal(answer.status, 200);

  const marked = await home.run(['drain', 'a', '--no-wait']);
  assert.deepEqual([marked.code, marked.stdout], [0, 'a: draining, 1 request in flight\n']);
  const late = await home.run(['drain', 'a', '--timeout', '1s']);
  assert.equal(late.code, 4);
  assert.match(late.stderr, /a: 1 request in flight\n[^]*a is not idle after 1 s: 1 request in flight/);

  const waiting = home.start(['drain', 'a']);
  await waiting.see('stderr', /1 request in flight/);
  client.abort();
  await assert.rejects(answer.text());
  const ended = await waiting.ended;
  assert.deepEqual([ended.code, ended.stdout], [0, 'a: drained, 0 requests in flight\n']);
  const json = JSON.parse((await home.run(['drain', 'a', '--json'])).stdout) as object;
  assert.deepEqual(json, { state: 'drained', inFlight: 0, queued: 0 });
  assert.equal((await home.run(['drain', 'a', '--end'])).stdout, 'a: serving, 0 requests in flight\n');
  assert.equal((await home.run(['drain', 'nobody'])).code, 1);
});
