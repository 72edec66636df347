// Documents that are written from the code: `npm run docs` writes them, the check compares them.
// Never writes while checking.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chartFiles } from '../chart/files.ts';
import { apiPage, commandsPage, configurationPage, errorsPage, metricsPage } from '../docs/pages.ts';
import { profileFiles } from '../docs/profiles.ts';
import { seedCommandsPage } from '../docs/seed-commands.ts';
import { admissionFile, crdFile, resourcePage } from '../docs/resource.ts';
import { dockerfile } from '../image/dockerfile.ts';
import { root } from './source.ts';

export interface GeneratedDocument {
  readonly path: string;
  text(): string | Promise<string>;
}

export const generatedDocuments: readonly GeneratedDocument[] = [
  { path: 'docs/errors.md', text: errorsPage },
  { path: 'docs/metrics.md', text: metricsPage },
  { path: 'docs/configuration.md', text: configurationPage },
  { path: 'docs/cli.md', text: commandsPage },
  { path: 'docs/api.md', text: apiPage },
  { path: 'docs/ollamadeployment.md', text: resourcePage },
  { path: 'deploy/crds/ollamadeployments.yaml', text: crdFile },
  { path: 'deploy/crds/warnings.yaml', text: admissionFile },
  { path: 'docs/seed-commands.md', text: seedCommandsPage },
  ...profileFiles,
  ...chartFiles,
  { path: 'image/Dockerfile', text: dockerfile },
];

export async function staleDocuments(documents = generatedDocuments, folder = root): Promise<string[]> {
  const problems: string[] = [];
  for (const document of documents) {
    const there = await readFile(path.join(folder, document.path), 'utf8').catch(() => '');
    if (there !== (await document.text()))
      problems.push(`${document.path} is not what the code says: npm run docs`);
  }
  return problems;
}

export async function writeDocuments(documents = generatedDocuments, folder = root): Promise<void> {
  for (const document of documents) {
    const file = path.join(folder, document.path);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, await document.text());
  }
}
