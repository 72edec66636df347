// Rules of run files. Never touches those of this machine.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { listRunFiles, writeRunFile } from './run-file.ts';

function aState(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'bigo-run-'));
  t.after(() => rmSync(dir, { recursive: true }));
  return { env: { XDG_STATE_HOME: dir }, dir: join(dir, 'bigo', 'run') };
}

const info = { url: 'http://127.0.0.1:1', admin: 'http://127.0.0.1:2', startedAt: '2026-01-01T00:00:00Z' };

test('a running gateway is found, and no longer after it took its file away', t => {
  const { env, dir } = aState(t);
  const remove = writeRunFile(env, { ...info, pid: process.pid });
  assert.equal(listRunFiles(env)[0]?.url, info.url);
  assert.equal(statSync(join(dir, `${process.pid}.json`)).mode & 0o777, 0o600);
  remove();
  assert.deepEqual(listRunFiles(env), []);
});

test('the file of a process that is gone is not believed, and is cleaned up', t => {
  const { env, dir } = aState(t);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  writeRunFile(env, { ...info, pid });
  assert.deepEqual(listRunFiles(env), []);
  assert.equal(existsSync(join(dir, `${pid}.json`)), false);
});

test('a broken run file is passed over', t => {
  const { env, dir } = aState(t);
  writeRunFile(env, { ...info, pid: process.pid });
  writeFileSync(join(dir, '1.json'), '{"pid":');
  writeFileSync(join(dir, '2.json'), '{"pid":-5,"url":"","admin":"","startedAt":""}');
  assert.equal(listRunFiles(env).length, 1);
});
