// `bigo gateway` as a process: ready line, run file, reload, signals, ports; and the commands that find it by themselves.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome, type Home } from './bigo.ts';

const ANY_PORT = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];

async function aFake(t: TestContext, options: Partial<FakeOptions> = {}) {
  const fake = await startFakeOllama({
    models: [{ name: 'llama3.2:1b' }],
    tokenMs: 1,
    loadMs: 1,
    ...options,
  });
  t.after(() => fake.stop());
  return fake;
}

async function aGateway(home: Home, url: string, more: readonly string[] = []) {
  const running = home.start(['gateway', '--backend', `${url},name=a`, ...ANY_PORT, ...more]);
  return { running, ...(await running.ready()) };
}

const runFiles = (home: Home) => readdirSync(join(home.dir, '.local', 'state', 'bigo', 'run'));

test('without a terminal the ready line is all of stdout, and logs go to stderr', async t => {
  const home = aHome(t);
  const { running, url, admin } = await aGateway(home, (await aFake(t)).url);
  assert.equal((await fetch(`${url}/api/version`)).status, 200);
  assert.equal((await fetch(`${admin}/livez`)).status, 200);
  running.signal('SIGTERM');
  const result = await running.ended;
  assert.equal(result.code, 0);
  assert.equal(result.stdout, `${JSON.stringify({ event: 'ready', url, admin })}\n`);
  for (const line of result.stderr.trim().split('\n'))
    assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
});

test('other commands find the running gateway by its run file, which goes with it', async t => {
  const home = aHome(t);
  const { running } = await aGateway(home, (await aFake(t)).url);
  assert.match((await home.run(['ls'])).stdout, /llama3\.2:1b/);
  assert.match((await home.run(['run', 'capital of France?', '--verbose'])).stderr, /backend a, cold_free/);
  assert.match((await home.run(['status'])).stdout, /a +up [^]*cold_free/);
  const status = JSON.parse((await home.run(['status', '--json'])).stdout) as {
    backends: { name: string }[];
    requests: unknown[];
  };
  assert.equal(status.backends[0]?.name, 'a');
  assert.equal(status.requests.length, 1);
  running.signal('SIGTERM');
  await running.ended;
  assert.deepEqual(runFiles(home), []);
});

test('a gateway that was killed leaves a run file that nobody believes', async t => {
  const home = aHome(t);
  const { running } = await aGateway(home, (await aFake(t)).url);
  running.signal('SIGKILL');
  await running.ended;
  assert.equal(runFiles(home).length, 1);
  const result = await home.run(['status']);
  // Another fleet may serve at the default address of this machine; the dead one must not be asked.
  assert.doesNotMatch(result.stdout, /^a +up/m);
  assert.deepEqual(runFiles(home), []);
});

test('run -n says where it would go and why, and runs nothing', async t => {
  const home = aHome(t);
  const fake = await aFake(t);
  await aGateway(home, fake.url);
  const result = await home.run(['run', '-n', 'llama3.2:1b', 'hello there']);
  assert.match(result.stdout, /^llama3\.2:1b would go to a \(cold_free: /);
  assert.equal(
    fake.state().seen.some(seen => seen.url === '/api/chat' || seen.url === '/api/generate'),
    false,
  );
});

test('after the first signal a stream finishes, and the exit is 0', async t => {
  const home = aHome(t);
  const { running, url, admin } = await aGateway(
    home,
    (await aFake(t, { tokenMs: 30, tokensMedian: 60, tokensSigma: 0 })).url,
  );
  const answer = await fetch(`${url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: 'llama3.2:1b', prompt: 'tell me' }),
  });
  running.signal('SIGTERM');
  await running.see('stderr', /shutting down/);
  const ready = await fetch(`${admin}/readyz`).then(response => response.status);
  assert.equal(ready, 503);
  assert.match(await answer.text(), /"done":true/);
  assert.equal((await running.ended).code, 0);
});

test('a second signal ends at once', async t => {
  const home = aHome(t);
  const { running, url } = await aGateway(
    home,
    (await aFake(t, { tokenMs: 50, tokensMedian: 600, tokensSigma: 0 })).url,
  );
  const answer = await fetch(`${url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: 'llama3.2:1b', prompt: 'tell me' }),
  });
  running.signal('SIGTERM');
  await running.see('stderr', /shutting down/);
  await sleep(150);
  running.signal('SIGTERM');
  assert.equal((await running.ended).code, 143);
  await assert.rejects(answer.text());
  assert.deepEqual(runFiles(home), []);
});

test('a signal that npm repeats at once is one signal: the stream finishes', async t => {
  const fake = await aFake(t, { tokenMs: 30, tokensMedian: 60, tokensSigma: 0 });
  const { running, url } = await aGateway(aHome(t), fake.url);
  const answer = await fetch(`${url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: 'llama3.2:1b', prompt: 'tell me' }),
  });
  // Two different ones: the system may join equal ones by itself.
  running.signal('SIGINT');
  running.signal('SIGTERM');
  assert.match(await answer.text(), /"done":true/);
  assert.equal((await running.ended).code, 0);
});

test('a port that is taken is named with what to do, exit 1', async t => {
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const result = await aHome(t).run([
    'gateway',
    '--backend',
    'http://127.0.0.1:1',
    '--listen',
    `127.0.0.1:${port}`,
    '--admin',
    '127.0.0.1:0',
  ]);
  assert.equal(result.code, 1);
  assert.match(
    result.stderr,
    new RegExp(`127\\.0\\.0\\.1:${port} \\(--listen\\) is in use[^]*--listen HOST:PORT`),
  );
});

test('another address than loopback needs keys or --insecure', async t => {
  const home = aHome(t);
  const args = [
    'gateway',
    '--backend',
    'http://127.0.0.1:1',
    '--listen',
    '0.0.0.0:0',
    '--admin',
    '127.0.0.1:0',
  ];
  const refused = await home.run(args);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /without keys[^]*--insecure/);
  const running = home.start([...args, '--insecure']);
  await running.ready();
});

test('no backend is a usage error that says how to name one', async t => {
  const result = await aHome(t).run(['gateway']);
  assert.equal(result.code, 64);
  assert.match(result.stderr, /no backend is named[^]*--backend http/);
});

test('a changed configuration file is taken in; a wrong one is told and left', async t => {
  const home = aHome(t);
  const [one, two] = [await aFake(t), await aFake(t)];
  const file = join(home.dir, 'gateway.yaml');
  const backends = (...urls: string[]) =>
    `gateway:\n  backends:\n${urls.map(url => `    - ${url}\n`).join('')}`;
  writeFileSync(file, backends(one.url));
  const running = home.start(['gateway', '--config', file, ...ANY_PORT]);
  const { admin } = await running.ready();
  writeFileSync(file, backends(one.url, 'ftp://x'));
  running.signal('SIGHUP');
  await running.see('stderr', /not used/);
  writeFileSync(file, backends(one.url, two.url));
  await running.see('stderr', /"msg":"configuration reloaded"/);
  const fleet = (await (await fetch(`${admin}/bigo/v1/fleet`)).json()) as { backends: unknown[] };
  assert.equal(fleet.backends.length, 2);
});

test('status --watch --json prints one object for each change', async t => {
  const home = aHome(t);
  const { running } = await aGateway(home, (await aFake(t)).url);
  const watching = home.start(['status', '--watch', '--json']);
  const [line] = await watching.see('stdout', /^\{.*\}$/m);
  assert.equal((JSON.parse(line) as { backends: { name: string }[] }).backends[0]?.name, 'a');
  running.signal('SIGTERM');
  assert.equal((await watching.ended).code, 1);
});

test('with keys, a key is needed and an admin token opens the admin port', async t => {
  const home = aHome(t);
  const keys = join(home.dir, 'keys.yaml');
  const key = (await home.run(['keys', 'create', 'me', '--keys', keys])).stdout.trim();
  await aGateway(home, (await aFake(t)).url, ['--keys', keys]);
  const refused = await home.run(['ls']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /--key or BIGO_KEY/);
  assert.equal((await home.run(['ls'], { env: { BIGO_KEY: key } })).code, 0);
});

test('a tier of the configuration is an alias: run -t fast asks the model behind it', async t => {
  const home = aHome(t);
  const fake = await aFake(t, { models: [{ name: 'qwen3:8b' }, { name: 'llama3.2:1b' }] });
  const env = { BIGO_WORKERS_OLLAMA_MODELS_FAST: 'llama3.2:1b' };
  const running = home.start(['gateway', '--backend', fake.url, ...ANY_PORT], { env });
  await running.ready();
  const result = await home.run(['run', '-t', 'fast', 'capital of France?']);
  assert.equal(result.code, 0, result.stderr);
  const asked = fake.state().seen.find(seen => seen.url === '/api/chat');
  assert.match(asked?.body ?? '', /"llama3\.2:1b"/);
  const other = await home.run(['run', '-t', 'reasoning', 'x']);
  assert.equal(other.code, 64);
  assert.match(other.stderr, /workers\.ollama\.models\.reasoning/);
});
