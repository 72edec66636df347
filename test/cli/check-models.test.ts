// `bigo check-models`: its six steps and each of its exit codes, against a fake Ollama and a real manager.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { aManager, type RigOptions } from '../manager/rig.ts';
import { aHome } from './bigo.ts';

async function check(t: TestContext, env: Record<string, string>, options: RigOptions = {}) {
  const rig = await aManager(t, options);
  const urls = { OLLAMA_URL: rig.gateway.url, MODEL_MANAGER_URL: rig.url };
  const run = (more: Record<string, string>, args: readonly string[] = []) =>
    aHome(t).run(['check-models', ...args], { env: { ...urls, ...more } });
  return { rig, run, result: await run(env) };
}

test('what is declared and there is 0', async t => {
  const { result } = await check(t, {}, { settings: { declaredModels: ['m:1'] } });
  assert.equal(result.code, 0, result.stdout);
  assert.match(
    result.stdout,
    /Ollama .* answers[^]*1 models should be there: m:1[^]*1 models are there: m:1[^]*Nothing is missing/,
  );
});

test('what is missing is pulled, tested and reported when it is wished', async t => {
  const fake = { registry: [{ name: 'extra:latest' }] };
  const env = { TEST_INFERENCE: 'true', REPORT_STATUS: 'true' };
  const { rig, result } = await check(t, env, { fake, settings: { declaredModels: ['extra'] } });
  assert.equal(result.code, 0, result.stdout);
  assert.match(result.stdout, /Missing: extra[^]*Pulled extra[^]*m:1 answers[^]*Reported/);
  const { reports } = (await (await fetch(`${rig.url}/api/health/reports`)).json()) as { reports: object[] };
  assert.deepEqual(reports.length, 1);
});

test('missing and not pulled, or not to be had, is 2', async t => {
  const { run, result } = await check(
    t,
    { AUTO_PULL: 'false' },
    { settings: { declaredModels: ['gone:1'] } },
  );
  assert.equal(result.code, 2);
  assert.match(result.stdout, /\[SKIP\] AUTO_PULL is not true/);
  const json = await run({}, ['--json']);
  assert.equal(json.code, 2);
  const report = JSON.parse(json.stdout) as { missing: string[]; exitCode: number };
  assert.deepEqual([report.missing, report.exitCode], [['gone:1'], 2]);
});

test('an inference that fails is 3, a place that does not answer 1, a wrong variable 64', async t => {
  const fake = { models: [{ name: 'm:1', loadError: 'out of memory' }] };
  const { run, result } = await check(t, { TEST_INFERENCE: 'true' }, { fake });
  assert.equal(result.code, 3, result.stdout);
  assert.equal((await run({ OLLAMA_URL: 'http://127.0.0.1:1' })).code, 1);
  assert.equal((await run({ MODEL_MANAGER_URL: 'http://127.0.0.1:1' })).code, 1);
  assert.equal((await run({ AUTO_PULL: 'yes' })).code, 64);
});
