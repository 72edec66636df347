// The page's own files, templates too, are right in their types: the compiler of the rest does not read them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

const ui = path.resolve(import.meta.dirname, '..', '..', '..', 'ui');
const compileMsMax = 110_000;

test('the page has no error of types', () => {
  const compiler = path.join(ui, 'node_modules', 'vue-tsc', 'bin', 'vue-tsc.js');
  const run = spawnSync(process.execPath, [compiler, '--noEmit', '-p', ui], {
    cwd: ui,
    encoding: 'utf8',
    timeout: compileMsMax,
  });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
});
