// The release bundle runs from a folder that holds nothing else of the project.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { bundle, compileParts, smokeTest, stampOf } from './bundle.ts';

type Outputs = Awaited<ReturnType<typeof compileParts>>['outputs'];

test('the bundle starts by itself and knows its version and commit', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-bundle-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const stamp = await stampOf();
  const file = await bundle(path.join(folder, 'dist'), stamp);
  assert.match(await smokeTest(file, stamp), /KiB$/);
  await assert.rejects(smokeTest(file, { ...stamp, commit: 'another' }), /not/);
  const notices = await readFile(path.join(path.dirname(file), 'libraries.txt'), 'utf8');
  for (const name of ['commander', 'undici', 'vue', 'zod'])
    assert.match(notices, new RegExp(`^${name} \\d\\S+ \\(\\S+\\)\n\n.*Copyright`, 'ms'));
});

/** The sources in the parts that are read when these files are, without what they load later by `import()`. */
function loadedBy(outputs: Outputs, entries: readonly string[]): string[] {
  const startOf = (entry: string): string =>
    Object.keys(outputs).find(file => outputs[file]?.entryPoint === entry) ??
    assert.fail(`no part is ${entry}`);
  const parts = new Set(entries.map(startOf));
  for (const part of parts)
    for (const { path: target, kind, external } of outputs[part]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) parts.add(target);
  const sources = [...parts].flatMap(part => Object.entries(outputs[part]?.inputs ?? {}));
  return sources.flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : []));
}

test('a gateway that starts reads nothing of the other parts, and no library beyond what it uses', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-bundle-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { outputs, inputs } = await compileParts(folder, { version: '1', commit: 'none' });
  const gateway = ['src/cli/gateway.ts', 'src/gateway/gateway.ts', 'src/gateway/models/routes.ts'];
  const fleet = ['src/fleet/fleet.ts', 'src/fleet/follow-pods.ts'];
  const loaded = loadedBy(outputs, ['src/main.ts', ...gateway, ...fleet]);
  for (const used of ['src/gateway/flight.ts', 'src/platform/undici.ts', 'node_modules/zod/v4/core/core.js'])
    assert.ok(loaded.includes(used), `${used} was moved: name its new place here`);
  const others = /^src\/(manager|operator|engine|agent|profiles|cli\/cluster)\//;
  const libraries =
    /undici\/(index|lib\/(mock|cache|interceptor|dispatcher\/.*proxy))|zod\/v4\/locales\/(?!en\.)/;
  assert.deepEqual(
    loaded.filter(file => others.test(file) || libraries.test(file)),
    [],
  );
  for (const other of ['src/manager/manager.ts', 'src/operator/operator.ts', 'node_modules/undici/index.js'])
    assert.ok(inputs[other] !== undefined, `${other} was moved: name its new place here`);
});
