// Every golden case gives the files that lie there, and what the files hold can be read by the programs that get them.
// When a change is meant: `node test/golden/update.ts`, and read the diff.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { GATEWAY_FILE, KEYS_FILE, MODELS_FILE, modelsFileSchema } from '../../src/api/cluster-files.ts';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { checkConfig } from '../../src/cli/core/check-config.ts';
import { toSettings } from '../../src/cli/core/to-settings.ts';
import { readKeys } from '../../src/gateway/keys.ts';
import { casesFolder, runCase } from './desired-case.ts';

const cases = (await readdir(casesFolder)).toSorted();
const decode = (text: string): string => Buffer.from(text, 'base64').toString();

function dataOf(files: ReadonlyMap<string, KubeObject>, key: string): string[] {
  return [...files.values()].flatMap(object => {
    const data = object['data'] as Record<string, string> | undefined;
    const text = data?.[key];
    if (text === undefined) return [];
    return [object.kind === 'Secret' ? decode(text) : text];
  });
}

async function temporaryFile(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-golden-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'keys.yaml');
  await writeFile(file, text);
  return file;
}

for (const name of cases) {
  test(`golden case ${name} gives exactly the files that lie there`, async () => {
    const out = path.join(casesFolder, name, 'out');
    const { files, notes } = await runCase(name);
    const expected = new Map<string, unknown>([...files, ...(notes.length > 0 ? [['notes.yaml', notes] as const] : [])]);
    assert.deepEqual((await readdir(out)).toSorted(), [...expected.keys()].toSorted());
    for (const [file, value] of expected) {
      const there: unknown = parse(await readFile(path.join(out, file), 'utf8'));
      assert.deepEqual(JSON.parse(JSON.stringify(value)), there, file);
    }
  });

  test(`golden case ${name} gives files that gateway and agent can read`, async t => {
    const { files } = await runCase(name);
    for (const text of dataOf(files, GATEWAY_FILE)) {
      const checked = checkConfig(parse(text) as Record<string, unknown>);
      assert.ok(!('problems' in checked), JSON.stringify(checked));
      assert.ok(toSettings(checked.config).kubernetes !== undefined);
    }
    const [models = ''] = dataOf(files, MODELS_FILE);
    const written: unknown = parse(models);
    assert.deepEqual(modelsFileSchema.parse(written), written, 'nothing is added or left out');
    for (const text of dataOf(files, KEYS_FILE)) {
      assert.equal(readKeys(await temporaryFile(t, text)).length, 4);
    }
  });
}
