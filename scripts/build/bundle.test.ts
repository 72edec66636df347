// The release bundle runs from a folder that holds nothing else of the project.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { bundle, smokeTest, stampOf } from './bundle.ts';

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
