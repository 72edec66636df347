// What `npm run release` does with a folder that it is told. Never builds anything.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const endMsMax = 30_000;

test('whoever names a file, or a folder of something else, by mistake keeps it', async t => {
  const work = await mkdtemp(path.join(tmpdir(), 'bigo-release-test-'));
  t.after(() => rm(work, { recursive: true, force: true }));
  const notes = path.join(work, 'mine', 'notes.txt');
  await mkdir(path.dirname(notes));
  await writeFile(notes, 'mine');
  for (const folder of [notes, path.dirname(notes)]) {
    const args = [path.join(import.meta.dirname, 'release.ts'), '--folder', folder];
    const ended = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: endMsMax });
    assert.equal(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, /could not be made: .*: name another/);
    assert.equal(await readFile(notes, 'utf8'), 'mine');
  }
});
