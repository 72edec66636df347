// `bigo up` as a process: what it finds, what it starts, which ports it takes. Engines and downloads are never real here: test/e2e has those.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome, type Home, type Running } from './bigo.ts';

const ANY_PORT = ['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
const fakeMain = join(import.meta.dirname, '..', 'fakes', 'ollama', 'main.ts');

async function aFake(t: TestContext, models: readonly string[] = ['llama3.2:1b']) {
  const fake = await startFakeOllama({
    models: models.map(name => ({ name })),
    registry: [{ name: 'phi3:mini' }],
    tokenMs: 1,
    loadMs: 1,
    pullMs: 20,
  });
  t.after(() => fake.stop());
  return fake;
}

interface FleetAnswer {
  readonly backends: readonly { name: string; url: string; state: string }[];
}
async function fleetOf(admin: string): Promise<FleetAnswer> {
  return (await (await fetch(`${admin}/bigo/v1/fleet`)).json()) as FleetAnswer;
}

test('named backends are used, and three commands to try are printed', async t => {
  const [one, two] = [await aFake(t), await aFake(t)];
  const running = aHome(t).start([
    'up',
    '--backend',
    `${one.url},name=a,slots=2`,
    '--backend',
    two.url,
    ...ANY_PORT,
  ]);
  const { url, admin } = await running.ready();
  assert.deepEqual(
    (await fleetOf(admin)).backends.map(backend => backend.name),
    ['a', two.url.slice(7)],
  );
  await running.see('stderr', /bigo status/);
  assert.match(running.stderr, /Using the backends that were named: a, /);
  for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
    assert.ok(running.stderr.includes(`curl ${url}${path} `), path);
  }
  running.signal('SIGINT');
  const result = await running.ended;
  assert.equal(result.code, 0);
  assert.equal(result.stdout.split('\n').filter(line => line.startsWith('{')).length, 1);
});

test('the printed commands work as they stand', async t => {
  const running = aHome(t).start(['up', '--backend', (await aFake(t)).url, ...ANY_PORT]);
  await running.ready();
  await running.see('stderr', /bigo status/);
  const bodies = [...running.stderr.matchAll(/curl (\S+).* -d '(.*)'/g)];
  assert.equal(bodies.length, 3);
  for (const [, url = '', body = ''] of bodies) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(answer.status, 200, url);
    assert.match((await answer.text()).replaceAll(/[^A-Za-z]/g, ''), /P.*a.*r.*i.*s/);
  }
});

test('OLLAMA_HOST is found before anything is started', async t => {
  const fake = await aFake(t);
  const running = aHome(t).start(['up', ...ANY_PORT], { env: { OLLAMA_HOST: fake.url } });
  const { admin } = await running.ready();
  assert.equal((await fleetOf(admin)).backends[0]?.url, fake.url);
  assert.match(running.stderr, /Using the Ollama \S+ that answers at .* \(OLLAMA_HOST\)/);
});

test('--model is pulled when the fleet does not have it', async t => {
  const fake = await aFake(t, []);
  const running = aHome(t).start(['up', '--backend', fake.url, '--model', 'phi3:mini', ...ANY_PORT]);
  const { url } = await running.ready();
  const tags = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  assert.deepEqual(
    tags.models.map(model => model.name),
    ['phi3:mini'],
  );
});

test('without any model it serves, and prints the one command that adds one', async t => {
  const running = aHome(t).start(['up', '--backend', (await aFake(t, [])).url, ...ANY_PORT]);
  const { url } = await running.ready();
  assert.equal((await fetch(`${url}/api/version`)).status, 200);
  await running.see('stderr', /There is no model yet\. Add one: bigo pull \S+/);
});

test('a default port that is taken is passed over', async t => {
  const server = createServer();
  t.after(() => server.close());
  const taken = await new Promise<boolean>(resolve => {
    server.once('error', () => resolve(true));
    server.listen(11_434, '127.0.0.1', () => resolve(true));
  });
  assert.ok(taken);
  const running = aHome(t).start(['up', '--backend', (await aFake(t)).url, '--admin', '127.0.0.1:0']);
  const { url } = await running.ready();
  assert.ok(Number(new URL(url).port) > 11_434, url);
});

/** An `ollama` program that is the fake one, in a folder that is the whole PATH: no python, no pip, no network. */
function anOllamaProgram(home: Home): string {
  const bin = join(home.dir, 'bin');
  mkdirSync(bin);
  const program = join(bin, 'ollama');
  const start = `exec "${process.execPath}" "${fakeMain}" --listen "$OLLAMA_HOST" --models '["llama3.2:1b"]' --token-ms 1 --load-ms 1`;
  writeFileSync(program, `#!/bin/sh\necho "$$" >> "${home.dir}/pids"\n${start}\n`);
  chmodSync(program, 0o755);
  return bin;
}

async function startWithProgram(home: Home): Promise<Running> {
  const path = anOllamaProgram(home);
  const env = {
    PATH: path,
    HTTPS_PROXY: 'http://127.0.0.1:1',
    https_proxy: 'http://127.0.0.1:1',
    OLLAMA_HOST: '127.0.0.1:1',
  };
  const running = home.start(['up', '--engines', '2', ...ANY_PORT], { env });
  await running.ready();
  return running;
}

const pidsOf = (home: Home) => readFileSync(join(home.dir, 'pids'), 'utf8').trim().split('\n').map(Number);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function allGone(pids: readonly number[]): Promise<boolean> {
  for (let look = 0; look < 100; look++) {
    if (!pids.some(isAlive)) return true;
    await sleep(50);
  }
  return false;
}

test('an ollama program is started twice, each with a store of its own, and ends with its parent', async t => {
  const home = aHome(t);
  const running = await startWithProgram(home);
  const { admin } = await running.ready();
  const { backends } = await fleetOf(admin);
  assert.deepEqual(
    backends.map(({ name, state }) => `${name} ${state}`),
    ['ollama-1 up', 'ollama-2 up'],
  );
  const pids = pidsOf(home);
  assert.equal(pids.length, 2);
  running.signal('SIGTERM');
  assert.equal((await running.ended).code, 0);
  assert.ok(await allGone(pids));
  for (const name of ['ollama-1', 'ollama-2']) {
    assert.ok(existsSync(join(home.dir, '.local', 'share', 'bigo', 'fleet', name, 'models')));
  }
});

test('a child that is killed comes back under its name', async t => {
  const home = aHome(t);
  const running = await startWithProgram(home);
  const { admin } = await running.ready();
  process.kill(pidsOf(home)[0] ?? 0, 'SIGKILL');
  for (let look = 0; look < 200 && pidsOf(home).length < 3; look++) await sleep(50);
  assert.equal(pidsOf(home).length, 3);
  assert.equal((await fleetOf(admin)).backends.length, 2);
});

test('a second fleet does not share the folder of the first', async t => {
  const home = aHome(t);
  await startWithProgram(home);
  const env = { PATH: join(home.dir, 'bin'), HTTPS_PROXY: 'http://127.0.0.1:1', OLLAMA_HOST: '127.0.0.1:1' };
  const second = home.start(['up', '--engines', '1', ...ANY_PORT], { env });
  await second.ready();
  assert.match(second.stderr, /fleet-2/);
});
