// `node test/golden/update.ts`: writes the outputs of all golden cases anew. Never decides whether they are right: read the diff.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { casesFolder, runCase } from './desired-case.ts';

for (const name of (await readdir(casesFolder)).toSorted()) {
  const { files, notes } = await runCase(name);
  const out = path.join(casesFolder, name, 'out');
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const written = new Map<string, unknown>([...files, ...(notes.length > 0 ? [['notes.yaml', notes] as const] : [])]);
  for (const [file, value] of written) await writeFile(path.join(out, file), stringify(value, { lineWidth: 0 }));
  console.log(`${name}: ${written.size} files`);
}
