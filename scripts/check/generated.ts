// Documents that are written from the code: `npm run docs` writes them, the check compares them.
// Never writes while checking.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ERRORS, type ErrorKind } from '../../src/api/errors.ts';
import { root } from './source.ts';

export interface GeneratedDocument {
  readonly path: string;
  text(): string;
}

const notice = '<!-- Written by `npm run docs` from the code. Change the code, not this file. -->';

function errorsText(): string {
  const rows = Object.entries<ErrorKind>(ERRORS).map(([code, kind]) => {
    return `| \`${code}\` | ${kind.status} | ${kind.fault} | ${kind.retryable ? 'yes' : 'no'} | ${kind.next} |`;
  });
  return [
    notice,
    '',
    '# Errors',
    '',
    'Every error that BigO answers with. The code is in the answer’s body, in the log line of the request and in the metrics.',
    '“Fault” says whose doing it is; “again” says whether the same request may succeed later.',
    '',
    '| code | status | fault | again | what to do next |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

export const generatedDocuments: readonly GeneratedDocument[] = [
  { path: 'docs/errors.md', text: errorsText },
];

export async function staleDocuments(documents = generatedDocuments, folder = root): Promise<string[]> {
  const problems: string[] = [];
  for (const document of documents) {
    const there = await readFile(path.join(folder, document.path), 'utf8').catch(() => '');
    if (there !== document.text()) problems.push(`${document.path} is not what the code says: npm run docs`);
  }
  return problems;
}

export async function writeDocuments(documents = generatedDocuments, folder = root): Promise<void> {
  for (const document of documents) await writeFile(path.join(folder, document.path), document.text());
}
