// Every exit code of `bigo health`, against the fake Ollama.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { FakeOptions } from '../fakes/ollama/options.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { aHome } from './bigo.ts';

async function health(t: TestContext, options: Partial<FakeOptions>, args: readonly string[] = []) {
  const fake = await startFakeOllama({
    models: [{ name: 'llama3.2:1b', sizeBytes: 1_321_098_329 }],
    tokenMs: 1,
    loadMs: 1,
    ...options,
  });
  t.after(() => fake.stop());
  const run = (more: readonly string[]) => aHome(t).run(['health', '--endpoint', fake.url, ...more]);
  return { fake, run, result: await run(args) };
}

test('healthy is 0, with a line for each check and the counts', async t => {
  const { fake, result } = await health(t, {});
  assert.equal(result.code, 0);
  const rule = '='.repeat(38);
  assert.equal(
    result.stdout.replace(/\(\d+\.\ds\)/, '(Xs)'),
    [
      rule,
      '  Ollama Health Check',
      rule,
      `  Endpoint: ${fake.url}`,
      '  Model: llama3.2:1b',
      rule,
      '',
      `[PASS] API endpoint accessible (${fake.url})`,
      '[PASS] Model llama3.2:1b available (size: 1.3 GB)',
      '[PASS] Inference successful (Xs)',
      '',
      rule,
      '  Summary',
      rule,
      '',
      'Checks passed: 3',
      'Warnings:      0',
      'Checks failed: 0',
      '',
      'OLLAMA HEALTH: OK',
      '',
    ].join('\n'),
  );
});

test('not reachable is 1', async t => {
  const result = await aHome(t).run(['health', '--endpoint', 'http://127.0.0.1:1', '--model', 'm']);
  assert.equal(result.code, 1);
  assert.match(result.stdout, /\[FAIL\] API endpoint not accessible[^]*OLLAMA HEALTH: UNREACHABLE/);
});

test('an address that answers, but not as Ollama does, is 1', async t => {
  const { fake, run } = await health(t, {});
  fake.control({ faults: [{ kind: 'html', path: '*' }] });
  assert.equal((await run([])).code, 1);
});

test('a model that is not there is 2, and the inference is not tried', async t => {
  const { fake, result } = await health(t, {}, ['--model', 'gone:1b']);
  assert.equal(result.code, 2);
  assert.match(result.stdout, /\[FAIL\] Model gone:1b not available \(add it: bigo pull gone:1b\)/);
  assert.doesNotMatch(result.stdout, /Inference/);
  assert.equal(
    fake.state().seen.some(seen => seen.url === '/api/generate'),
    false,
  );
});

test('no model at all is 2', async t => {
  assert.equal((await health(t, { models: [] })).result.code, 2);
});

test('an inference that fails is 3', async t => {
  const { result } = await health(t, { models: [{ name: 'm', loadError: 'out of memory' }] });
  assert.equal(result.code, 3);
  assert.match(result.stdout, /\[FAIL\] Inference failed: .*out of memory/);
});

test('an inference over its time limit is 3, not a hang', async t => {
  const { fake, run } = await health(t, {});
  fake.control({ faults: [{ kind: 'freeze' }] });
  assert.equal((await run(['--timeout-ms', '300'])).code, 3);
});

test('slow is 4, as a warning', async t => {
  const { result } = await health(t, { loadMs: 200 }, ['--degraded-ms', '50']);
  assert.equal(result.code, 4);
  assert.match(result.stdout, /\[WARN\] Inference slow[^]*Warnings: +1[^]*OLLAMA HEALTH: DEGRADED/);
});

test('wrong arguments are 64', async t => {
  const home = aHome(t);
  for (const args of [
    ['--no-such-flag'],
    ['--timeout-ms', 'soon'],
    ['--internal', '--external'],
    ['--endpoint', 'ftp://x'],
    ['extra'],
  ]) {
    const result = await home.run(['health', ...args]);
    assert.equal(result.code, 64, args.join(' '));
    assert.match(result.stderr, /error: /);
  }
});

test('--json prints one object and nothing else', async t => {
  const { result } = await health(t, {}, ['--json']);
  const report = JSON.parse(result.stdout) as { status: string; exitCode: number; checks: unknown[] };
  assert.deepEqual([report.status, report.exitCode, report.checks.length], ['OK', 0, 3]);
});

test('--internal checks the endpoint of the configuration', async t => {
  const fake = await startFakeOllama({ models: [{ name: 'm' }], tokenMs: 1, loadMs: 1 });
  t.after(() => fake.stop());
  const result = await aHome(t).run(['health', '--internal'], {
    env: { BIGO_WORKERS_OLLAMA_ENDPOINT: fake.url },
  });
  assert.equal(result.code, 0);
  assert.match(result.stdout, new RegExp(`Endpoint: ${fake.url}`));
});
