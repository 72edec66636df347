// Lists in the code whose every entry a person must have described. Add a line here when a new list appears.
// Lists that only need their own words are written by `npm run docs` instead, see generated.ts.
import { DISPATCH_REASONS, PLACE_REASONS, SKIP_REASONS } from '../../src/api/reasons.ts';
import type { Listed } from './documents.ts';
import type { SourceFile } from './source.ts';

export function listsToDocument(documents: readonly SourceFile[]): Listed[] {
  const reasons = [DISPATCH_REASONS, PLACE_REASONS, SKIP_REASONS].flatMap(list => Object.keys(list));
  const lists = [{ what: 'reason', names: reasons, documentPath: 'docs/routing.md' }];
  return lists.map(list => {
    return { ...list, document: documents.find(document => document.path === list.documentPath) };
  });
}
