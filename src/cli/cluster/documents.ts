// YAML documents from a file or stdin. Never gives a half-read one: the first error ends it.
import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../api/kube-object.ts';
import type { App } from '../app.ts';
import { usageError } from '../exit.ts';
import { readPiped } from '../stdin.ts';

const documentsMax = 1_000;

/** `-` is stdin. */
export async function readDocuments(app: App, file: string, hint: string): Promise<KubeObject[]> {
  const documents = parseAllDocuments(await textOf(app, file, hint));
  return documents.slice(0, documentsMax).flatMap(document => {
    const [error] = document.errors;
    if (error !== undefined) throw usageError(`${file} is no YAML: ${error.message}`);
    const value = document.toJS() as KubeObject | null;
    return value === null ? [] : [value];
  });
}

async function textOf(app: App, file: string, hint: string): Promise<string> {
  if (file === '-') return (await readPiped(app.interrupted())) ?? '';
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ''}`, hint);
  }
}
