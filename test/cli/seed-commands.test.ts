// Commands of the documents which BigO grew from that need no cluster: the health script, and curl against a gateway.
// Never reaches out of this machine: the host of the documents is a gateway here.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome, mainFile } from './bigo.ts';

interface SeedCommand {
  readonly id: string;
  readonly command: string;
  readonly by?: string;
}

const root = path.join(import.meta.dirname, '..', '..');
const list = JSON.parse(readFileSync(path.join(root, 'test/seeds/commands.json'), 'utf8')) as SeedCommand[];
const own = list.filter(({ by }) => by === 'test/cli/seed-commands.test.ts');
const run = promisify(execFile);
const commandMsMax = 60_000;
const scripts = own.filter(({ command }) => command.startsWith('./scripts/'));
const curls = own.filter(({ command }) => command.startsWith('curl '));

async function fakeUrl(t: TestContext): Promise<string> {
  const fake = await startFakeOllama({
    models: [{ name: 'llama3.2:1b', sizeBytes: 1_321_098_329 }],
    tokenMs: 1,
    loadMs: 1,
  });
  t.after(() => fake.stop());
  return fake.url;
}

for (const { id, command } of scripts) {
  test(`${id} ${command}`, async t => {
    const { dir } = aHome(t);
    const program = path.join(dir, 'bigo');
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${mainFile}" "$@"\n`);
    chmodSync(program, 0o755);
    const url = await fakeUrl(t);
    const elsewhere = 'http://127.0.0.1:1';
    const isInternal = command.includes('--internal');
    const { stdout } = await run('sh', ['-c', command], {
      cwd: path.join(root, 'k8s', 'homelab'),
      timeout: commandMsMax,
      env: {
        HOME: dir,
        PATH: `${dir}${path.delimiter}${process.env['PATH'] ?? ''}`,
        OLLAMA_ENDPOINT: isInternal ? elsewhere : url,
        OLLAMA_INTERNAL_ENDPOINT: isInternal ? url : elsewhere,
      },
    });
    assert.match(stdout, /Model llama3\.2:1b available \(size: 1\.3 GB\)/);
    assert.match(stdout, /OLLAMA HEALTH: OK/);
  });
}

const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
);

test('curl, as the documents print it', { skip: hasCurl ? false : 'needs curl' }, async t => {
  const backend = await fakeUrl(t);
  const home = aHome(t);
  const gateway = home.start([
    'gateway',
    '--backend',
    backend,
    '--listen',
    '127.0.0.1:0',
    '--admin',
    '127.0.0.1:0',
  ]);
  const { url } = await gateway.ready();
  for (const { id, command } of curls) {
    const line = command.replace('https://ollama.home.jetzinger.com', url);
    const { stdout } = await run('sh', ['-c', line], { timeout: commandMsMax });
    const answer = JSON.parse(stdout) as { models?: { name: string }[]; done?: boolean };
    if (command.includes('/api/tags')) assert.equal(answer.models?.[0]?.name, 'llama3.2:1b', id);
    else assert.equal(answer.done, true, id);
  }
  assert.equal(curls.length, 6);
});
