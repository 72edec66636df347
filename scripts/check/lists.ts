// Lists in the code whose every entry must be described in a document. Add a line here when a new list appears.
// Never reads the documents' meaning: a name that stands there counts as described.
import { ERRORS } from '../../src/api/errors.ts';
import type { Listed } from './documents.ts';
import type { SourceFile } from './source.ts';

export async function listsToDocument(documents: readonly SourceFile[]): Promise<Listed[]> {
  const lists = [{ what: 'error code', names: Object.keys(ERRORS), documentPath: 'docs/errors.md' }];
  return lists.map(list => {
    return { ...list, document: documents.find(document => document.path === list.documentPath) };
  });
}
