// Commands that speak to an Ollama, against the fake one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { tinyGguf } from '../tools/tiny-gguf.ts';
import { aHome, mainFile } from './bigo.ts';

async function aFleet(t: TestContext, options: Partial<FakeOptions> = {}) {
  const fake = await startFakeOllama({
    models: [{ name: 'llama3.2:1b' }, { name: 'qwen3:8b' }],
    registry: [{ name: 'phi3:mini' }],
    tokenMs: 1,
    loadMs: 1,
    pullMs: 50,
    ...options,
  });
  t.after(() => fake.stop());
  const home = aHome(t);
  const bigo = (args: readonly string[], input?: string) =>
    home.run(args, { env: { BIGO_URL: fake.url }, ...(input === undefined ? {} : { input }) });
  return { fake, home, bigo };
}

const bodies = (fake: { state(): { seen: readonly { url: string; body: string }[] } }, path: string) =>
  fake
    .state()
    .seen.filter(seen => seen.url === path)
    .map(seen => JSON.parse(seen.body) as Record<string, unknown>);

test('ls lists the models, and --json is what /api/tags says', async t => {
  const { bigo } = await aFleet(t);
  const table = await bigo(['ls']);
  assert.equal(table.code, 0);
  assert.match(table.stdout, /^NAME +ID +SIZE +MODIFIED\nllama3\.2:1b +[0-9a-f]{12} +1\.1 GB/);
  const json = JSON.parse((await bigo(['list', '--json'])).stdout) as { models: unknown[] };
  assert.equal(json.models.length, 2);
  assert.doesNotMatch((await bigo(['ls', 'qwen'])).stdout, /llama/);
});

test('run streams one answer to stdout and says on request who gave it', async t => {
  const { bigo } = await aFleet(t);
  const result = await bigo(['run', 'llama3.2:1b', 'What is the capital of France?', '--verbose']);
  assert.equal(result.code, 0);
  assert.match(result.stdout, /Paris.*\n$/);
  assert.match(result.stderr, /llama3\.2:1b · \d+ tokens/);
});

test('run adds what is piped in to the prompt, and sends the system message first', async t => {
  const { bigo, fake } = await aFleet(t);
  await bigo(['run', 'Review:', '--system', 'Be brief.'], 'the diff\n');
  assert.deepEqual(bodies(fake, '/api/chat')[0]?.messages, [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Review:\n\nthe diff' },
  ]);
});

test('run --json prints one object with text and tokens', async t => {
  const { bigo } = await aFleet(t);
  const { stdout } = await bigo(['run', 'capital of France?', '--json']);
  const answer = JSON.parse(stdout) as { text: string; tokens: number; model: string };
  assert.match(answer.text, /Paris/);
  assert.ok(answer.tokens > 0);
});

test('a model name alone is no prompt, an unknown one is refused with near names', async t => {
  const { bigo, fake } = await aFleet(t);
  const alone = await bigo(['run', 'qwen3:8b']);
  assert.equal(alone.code, 64);
  assert.match(alone.stderr, /no prompt for qwen3:8b[^]*bigo chat qwen3:8b/);
  const unknown = await bigo(['run', 'qwen3:4b', 'hello']);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /Near names: qwen3:8b/);
  assert.equal(bodies(fake, '/api/chat').length, 0);
});

test('an answer that breaks off ends with exit 1 after what came', async t => {
  const { bigo, fake } = await aFleet(t);
  fake.control({ faults: [{ kind: 'cut_after', after: 3 }] });
  const result = await bigo(['run', 'hello']);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /broke off/);
  assert.doesNotMatch(result.stderr, /at .*\.ts:\d/);
});

test('nothing answering is said with the address, where it came from, and what to do', async t => {
  const home = aHome(t);
  const result = await home.run(['ls'], { env: { BIGO_URL: 'http://127.0.0.1:1' } });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /nothing answers at http:\/\/127\.0\.0\.1:1 \(BIGO_URL\)\n.*bigo up/);
  assert.equal(result.stdout, '');
});

test('an address that is none is a usage error', async t => {
  const home = aHome(t);
  assert.equal((await home.run(['ls', '--url', 'ftp://x'])).code, 64);
});

test('OLLAMA_HOST is used when no gateway runs', async t => {
  const { fake, home } = await aFleet(t);
  const host = fake.url.replace('http://127.0.0.1', '0.0.0.0');
  assert.equal((await home.run(['ls'], { env: { OLLAMA_HOST: host } })).code, 0);
});

test('a reader that leaves early ends run quietly', async t => {
  const { fake, home } = await aFleet(t, { tokenMs: 20 });
  const child = spawn(
    'sh',
    [
      '-c',
      `"$0" "$1" run "tell me a long story" --model llama3.2:1b | head -c 1`,
      process.execPath,
      mainFile,
    ],
    {
      env: { PATH: process.env.PATH ?? '', HOME: home.dir, BIGO_URL: fake.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await new Promise(resolve => child.once('close', resolve));
  assert.equal(stderr, '');
});

test('Ctrl-C ends run with 130 and gives the request up', async t => {
  const { fake, home } = await aFleet(t, { tokenMs: 50, tokensMedian: 400 });
  const running = home.start(['run', 'tell me a story'], { env: { BIGO_URL: fake.url } });
  await running.see('stdout', /\w/);
  running.signal('SIGINT');
  const result = await running.ended;
  assert.deepEqual([result.code, result.signal], [130, null]);
  assert.doesNotMatch(result.stderr, /error/);
});

test('chat through a pipe keeps the conversation, takes commands, and ends with its input', async t => {
  const { bigo, fake } = await aFleet(t);
  const result = await bigo(
    ['chat', 'llama3.2:1b'],
    '/system Be brief.\ncapital of France?\n\nand again\n/clear\nthird\n/bye\nnever\n',
  );
  assert.equal(result.code, 0);
  const asked = bodies(fake, '/api/chat').map(body =>
    (body.messages as { role: string }[]).map(message => message.role).join(' '),
  );
  assert.deepEqual(asked, ['system user', 'system user assistant user', 'system user']);
});

test('chat with a model that is not here is refused before anything is read', async t => {
  const { bigo } = await aFleet(t);
  const result = await bigo(['chat', 'gone'], 'hello\n');
  assert.equal(result.code, 64);
  assert.match(result.stderr, /'gone' is not here/);
});

test('pull without a terminal prints plain lines, and the name when it is ready', async t => {
  const { bigo } = await aFleet(t);
  const result = await bigo(['pull', 'phi3:mini']);
  assert.equal(result.code, 0);
  assert.equal(result.stdout, 'phi3:mini is ready\n');
  assert.doesNotMatch(result.stderr, /\u001b|\r/);
  assert.match((await bigo(['ls'])).stdout, /phi3:mini/);
});

test('pull --json passes the lines of /api/pull on', async t => {
  const { bigo } = await aFleet(t);
  const lines = (await bigo(['pull', 'phi3:mini', '--json'])).stdout.trim().split('\n');
  assert.deepEqual(JSON.parse(lines.at(-1) ?? ''), { status: 'success' });
});

test('a pull that the server refuses, or that breaks off, is exit 1', async t => {
  const { bigo, fake } = await aFleet(t);
  const unknown = await bigo(['pull', 'no-such-model']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /error: /);
  fake.control({ faults: [{ kind: 'cut_after', path: '/api/pull', after: 10 }] });
  assert.equal((await bigo(['pull', 'phi3:mini'])).code, 1);
});

test('ps, show, cp, stop and rm do what they say', async t => {
  const { bigo } = await aFleet(t);
  await bigo(['run', 'llama3.2:1b', 'hi there']);
  assert.match((await bigo(['ps'])).stdout, /llama3\.2:1b .*100 % GPU .*in /);
  assert.equal((await bigo(['stop', 'llama3.2:1b'])).stdout, 'stopped llama3.2:1b\n');
  assert.equal((await bigo(['ps'])).stdout.trim().split('\n').length, 1);
  assert.match((await bigo(['show', 'llama3.2:1b'])).stdout, /parameters +1\.0B/);
  assert.match((await bigo(['show', 'llama3.2:1b', '--modelfile'])).stdout, /FROM/);
  assert.equal((await bigo(['cp', 'llama3.2:1b', 'mine'])).stdout, 'mine is llama3.2:1b\n');
  assert.equal((await bigo(['rm', 'mine', 'llama3.2:1b'])).stdout, 'deleted mine\ndeleted llama3.2:1b\n');
  const gone = await bigo(['rm', 'mine']);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /not found/);
});

test('pull of a file sends it once and makes a model of that name', async t => {
  const { bigo, fake, home } = await aFleet(t);
  writeFileSync(join(home.dir, 'My Model.gguf'), tinyGguf());
  const address = `file://${home.dir}/My%20Model.gguf`;
  for (const sent of [1, 1]) {
    const result = await bigo(['pull', address]);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stdout, 'my-model is ready\n');
    const uploads = fake.state().seen.filter(seen => seen.method === 'POST' && seen.url.includes('/blobs/'));
    assert.equal(uploads.length, sent);
  }
  assert.match((await bigo(['ls'])).stdout, /^my-model/m);
  const missing = await bigo(['pull', 'file:///nowhere/x.gguf']);
  assert.deepEqual([missing.code, missing.stderr], [1, 'error: there is no file /nowhere/x.gguf\n']);
  assert.equal((await bigo(['pull', 'file://x'])).code, 64);
});
