// Two real Ollamas as child servers, seen by a real fleet. Needs the real binary.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { find, skipUnless } from '../../test/tools/parts.ts';
import { digestOf, tinyGguf } from '../../test/tools/tiny-gguf.ts';
import { systemClock } from '../platform/clock.ts';
import { discover } from './discovery.ts';
import { createFleet } from './fleet.ts';
import { ollamaChildren } from './ollama-children.ts';
import { createSupervisor } from './supervisor.ts';

const skip = process.platform === 'linux' ? await skipUnless('ollama') : 'looks at processes in /proc';
const log = { debug() {}, info() {}, warn() {} };

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await holds()) return;
    await sleep(50);
  }
  assert.fail(`never: ${what}`);
}

async function post(url: string, body: unknown): Promise<void> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

async function addTiny(url: string): Promise<void> {
  const gguf = tinyGguf();
  const digest = digestOf(gguf);
  await fetch(`${url}/api/blobs/${digest}`, { method: 'POST', body: new Uint8Array(gguf) });
  await post(`${url}/api/create`, { model: 'tiny', files: { 'tiny.gguf': digest }, stream: false });
}

/** Processes of the group that a child leads: its runners. */
async function groupOf(leader: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0);
  return pids.filter(pid => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2] === String(leader);
    } catch {
      return false;
    }
  });
}

test(
  'a real Ollama that is killed with a model loaded comes back without its old runner, and keeps its models',
  { skip },
  async t => {
    const dir = await mkdtemp(join(tmpdir(), 'bigo-children-'));
    t.after(() => rm(dir, { recursive: true }));
    const binary = (await find('ollama')) ?? '';
    const env = { HOME: dir, OLLAMA_NUM_PARALLEL: '1', OMP_NUM_THREADS: '1' };
    const children = await ollamaChildren({ binary, count: 2, dir, env });
    const supervisor = createSupervisor({ children, log, clock: systemClock });
    t.after(() => supervisor.stop());
    const specs = supervisor.backends();
    const fleet = createFleet({
      specs,
      clock: systemClock,
      log,
      rng: Math.random,
      instanceId: 'me',
      timing: { versionDownEveryMsMax: 500 },
    });
    fleet.start();
    t.after(() => fleet.stop());
    const [first] = specs;
    const view = () => fleet.snapshot().backends[0];
    assert.ok(first);
    await until('both answer', () => fleet.snapshot().backends.every(({ state }) => state === 'up'));

    await addTiny(first.url);
    await post(`${first.url}/api/generate`, {
      model: 'tiny',
      prompt: 'a',
      stream: false,
      options: { num_predict: 2, num_thread: 1 },
    });
    fleet.noteLoaded(first.name);
    await until('the runner is seen', () => view()?.loaded[0]?.key === 'tiny:latest');
    await fleet.refresh(first.name);
    assert.equal(view()?.models.get('tiny:latest')?.weights, digestOf(tinyGguf()).slice('sha256:'.length));

    const pid = supervisor.children()[0]?.pid ?? 0;
    assert.equal((await groupOf(pid)).length, 2, 'the server and its runner');
    process.kill(pid, 'SIGKILL');
    await until('its runner is gone', async () => (await groupOf(pid)).length === 0);
    await until('it is started again', () => supervisor.children()[0]?.starts === 2);
    await until(
      'up with its model and nothing loaded',
      () => view()?.state === 'up' && view()?.loaded.length === 0,
    );
    await until('its models are read', () => view()?.models.has('tiny:latest') === true);

    const found = await discover({
      named: [],
      ollamaHost: first.url,
      findProgram: () => undefined,
      defaultUrl: first.url,
    });
    assert.equal('backends' in found && found.backends[0]?.url, first.url);
  },
);
