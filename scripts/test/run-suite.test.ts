// The test runner judges right: made-up suites in a folder of their own are run for real.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { leftOutLines, suiteLines, totalLine } from './print.ts';
import { isAllowedSkip, leftOut, reasonCounts, type SuiteResult } from './result.ts';
import { runSuite, strayTests } from './run-suite.ts';
import type { Suite } from './suites.ts';

const suite: Suite = {
  name: 'made',
  about: 'made up',
  files: ['*.test.ts'],
  needs: [],
  budgetSeconds: 20,
  filesAtOnce: 2,
  showsOutput: false,
  testSecondsMax: 10,
  secondRunFilesMax: 0,
};

async function run(
  t: TestContext,
  files: Record<string, string>,
  made = suite,
): Promise<{ result: SuiteResult; said: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-suite-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, body] of Object.entries(files)) {
    const head = "import { describe, it, test } from 'node:test';\n";
    await writeFile(path.join(folder, name), head + body);
  }
  const said: string[] = [];
  const result = await runSuite(made, text => said.push(text), folder);
  return { result, said: said.join('\n') };
}

test('passes, failures and skips are counted, and a failure shows its reason and what its file printed', async t => {
  const { result, said } = await run(t, {
    'a.test.ts':
      "test('one', () => {}); test('two', () => { console.log('seen'); throw new Error('boom'); });",
    'b.test.ts':
      "describe('group', () => { it('three', () => {}); it('four', { skip: 'needs wrk: x' }, () => {}); });",
  });
  assert.equal(result.passed, 2);
  assert.equal(result.failed, 1);
  assert.deepEqual(result.skips, [{ test: 'four', reason: 'needs wrk: x' }]);
  assert.match(said, /✗ two/);
  assert.match(said, /boom/);
  assert.match(said, /seen/);
});

test('a test left to do is a skip with that reason', async t => {
  const { result } = await run(t, {
    'a.test.ts': "test('one', { todo: 'later' }, () => { throw new Error('x'); });",
  });
  assert.equal(result.failed, 0);
  assert.deepEqual(result.skips, [{ test: 'one', reason: 'to do: later' }]);
});

test('a file that cannot be loaded, and a file without a test, are failures', async t => {
  const { result, said } = await run(t, {
    'a.test.ts': "import './none.ts';",
    'b.test.ts': 'describe;it;test;',
  });
  assert.equal(result.passed, 0);
  assert.equal(result.failed, 2);
  assert.match(said, /b\.test\.ts holds no test/);
});

const brokenHook = (leftOpen: string): Record<string, string> => ({
  'a.test.ts': `import { createServer } from 'node:http'; import { after } from 'node:test';
    describe('group', () => {
      after(() => { throw new Error('not stopped'); });
      it('one', () => { ${leftOpen} });
    });`,
});

test('a hook that fails is a failure that tells its reason', async t => {
  const { result, said } = await run(t, brokenHook(''));
  assert.deepEqual([result.passed, result.failed], [1, 1]);
  assert.match(said, /✗ group: a hook[\s\S]*not stopped/);
});

test('a file that is kept by what a hook left open is ended after its silence', async t => {
  const impatient = { ...suite, testSecondsMax: 2, budgetSeconds: 600 };
  const { result, said } = await run(t, brokenHook('createServer().listen(0);'), impatient);
  assert.ok(result.failed > 0);
  assert.match(said, /silent for too long[\s\S]*still running:[\s\S]*a\.test\.ts/);
});

test('tests that a file names only after it waited are run, too', async t => {
  const body = "test('one', () => {}); await new Promise(r => setTimeout(r, 300)); test('two', () => {});";
  assert.equal((await run(t, { 'a.test.ts': body })).result.passed, 2);
});

test('a run that hangs is ended, and tells what still ran', async t => {
  const { result, said } = await run(
    t,
    {
      'a.test.ts':
        "test('one', { timeout: 60_000 }, () => new Promise(() => { setInterval(() => {}, 1000); }));",
    },
    { ...suite, budgetSeconds: 1 },
  );
  assert.equal(result.failed, 1);
  assert.match(said, /far over its budget[\s\S]*still running:[\s\S]*: one$/);
});

const failsOnce = `import fs from 'node:fs';
  const mark = import.meta.filename + '.ran';
  test('steady', () => {});
  test('unsteady', () => { if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ''); throw new Error('boom'); } });`;
const twice = { ...suite, secondRunFilesMax: 1 };

test('a test that failed beside others and passes alone is counted as passed, and said to be unsteady', async t => {
  const { result, said } = await run(t, { 'a.test.ts': failsOnce }, twice);
  assert.deepEqual([result.passed, result.failed, result.unsteady], [2, 0, ['unsteady']]);
  assert.match(said, /boom[\s\S]*second run, alone, of .*a\.test\.ts/);
  assert.match(suiteLines(twice, result).join('\n'), /✓[\s\S]*UNSTEADY: unsteady/);
  assert.match(totalLine([result]), /0 failed, 0 skipped, 1 unsteady/);
});

test('a failure stays one when the file fails again, when too many files fail, and where no second run is allowed', async t => {
  const fails = "test('one', () => { throw new Error('boom'); });";
  const again = await run(t, { 'a.test.ts': fails }, twice);
  assert.deepEqual([again.result.failed, again.result.unsteady], [1, []]);
  const many = await run(t, { 'a.test.ts': failsOnce, 'b.test.ts': failsOnce }, twice);
  assert.equal(many.result.failed, 2);
  assert.equal((await run(t, { 'a.test.ts': failsOnce })).result.failed, 1);
});

test('a note of a test is shown, other output of a passing file is not', async t => {
  const body = "test('one', t => { t.diagnostic('42 cases'); console.log('quiet'); });";
  const { said } = await run(t, { 'a.test.ts': body });
  assert.match(said, /42 cases/);
  assert.doesNotMatch(said, /quiet/);
});

test('a suite that shows its output shows what its files print', async t => {
  const body = "test('one', () => console.log('12 cases'));";
  const { said } = await run(t, { 'a.test.ts': body }, { ...suite, showsOutput: true });
  assert.match(said, /12 cases/);
});

test('a test file that no suite runs is found', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-stray-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, 'a.test.ts'), '');
  assert.deepEqual(await strayTests([suite], folder), []);
  assert.deepEqual(await strayTests([], folder), ['a.test.ts is run by no suite of scripts/test/suites.ts']);
});

test('a suite without files is said, and does not fail', async t => {
  const { result } = await run(t, {});
  assert.equal(result.failed, 0);
  assert.deepEqual(suiteLines(suite, result), ['made      no tests yet (*.test.ts)']);
});

const result: SuiteResult = {
  name: 'made',
  files: 1,
  passed: 3,
  failed: 0,
  skips: [
    { test: 'a', reason: 'needs ollama: npm run tools -- ollama' },
    { test: 'b', reason: 'needs ollama and wrk: npm run tools -- ollama wrk' },
    { test: 'c', reason: 'not offered by the embedded engine: images' },
    { test: 'd', reason: 'true' },
  ],
  unsteady: [],
  seconds: 21,
};

test('only skips that name what an implementation lacks are in order when every part must be there', () => {
  assert.deepEqual(
    result.skips.filter(skip => isAllowedSkip(skip)).map(skip => skip.test),
    ['c'],
  );
});

test('what is left out names suite, part, count and the command that adds it', () => {
  assert.deepEqual(leftOut([result]), [
    { suite: 'made', part: 'ollama', tests: 2 },
    { suite: 'made', part: 'wrk', tests: 1 },
  ]);
  assert.match(leftOutLines([result]).join('\n'), /made +2 × needs ollama[\s\S]*npm run tools -- ollama wrk/);
  assert.deepEqual(leftOutLines([{ ...result, skips: [] }]), []);
});

test('a suite over its budget says so, and skips are listed with their reasons, most often first', () => {
  assert.match(suiteLines(suite, result)[0] ?? '', /OVER BUDGET of 20 s/);
  const twice = [...result.skips, { test: 'e', reason: 'true' }];
  assert.deepEqual(reasonCounts(twice)[0], ['true', 2]);
  assert.equal(totalLine([result, result]), '6 passed, 0 failed, 8 skipped');
});
