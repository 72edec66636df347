// `bigo drain` of a backend without a cluster: it waits for what runs there, or not, and says how it ended.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome, type Home } from './bigo.ts';

/** A gateway with a stream that is longer than any test: it ends when its client leaves. */
async function streaming(t: TestContext): Promise<{ home: Home; leave: () => Promise<void> }> {
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
  const leave = async () => {
    client.abort();
    await assert.rejects(answer.text());
  };
  t.after(() => client.abort());
  return { home, leave };
}

test('drain waits until nothing runs on the backend', async t => {
  const { home, leave } = await streaming(t);
  const waiting = home.start(['drain', 'a']);
  await waiting.see('stderr', /a: 1 request in flight/);
  await leave();
  const ended = await waiting.ended;
  assert.deepEqual([ended.code, ended.stdout], [0, 'a: drained, 0 requests in flight\n']);
  const json = JSON.parse((await home.run(['drain', 'a', '--json'])).stdout) as object;
  assert.deepEqual(json, { state: 'drained', inFlight: 0, queued: 0 });
});

test('drain does not wait when it is told not to, nor longer than it is told to', async t => {
  const { home } = await streaming(t);
  const unawaited = await home.run(['drain', 'a', '--no-wait']);
  assert.deepEqual([unawaited.code, unawaited.stdout], [0, 'a: draining, 1 request in flight\n']);
  const late = await home.run(['drain', 'a', '--timeout', '1s']);
  assert.equal(late.code, 4);
  assert.match(late.stderr, /a is not idle after 1 s: 1 request in flight/);
  const ended = await home.run(['drain', 'a', '--end']);
  assert.equal(ended.stdout, 'a: serving, 1 request in flight\n');
});

test('drain says where the names of the backends are, and how to name another gateway', async t => {
  const { home } = await streaming(t);
  const unknown = await home.run(['drain', 'nobody']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /nobody.*\n`bigo status` lists the backends/);
  const absent = await home.run(['drain', 'a', '--admin', 'http://127.0.0.1:1']);
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /nothing answers at .*\n.*--admin or BIGO_ADMIN/);
});

test('a mark that would be over at once is refused', async t => {
  const { code, stderr } = await aHome(t).run(['drain', 'pod-0', '-n', 'ai', '--for', '0s']);
  assert.equal(code, 64);
  assert.match(stderr, /--for: no time at all[\s\S]*Write 30m/);
});
