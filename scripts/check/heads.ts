// Every source file begins by saying what it is, in a comment of its own. Never judges what the comment says.
import type { SourceFile } from './source.ts';

const headCharsMin = 30;

export function checkHeads(files: readonly SourceFile[]): string[] {
  return files
    .filter(file => {
      const first = file.text.replace(/^#![^\n]*\n/, '');
      return !first.startsWith('//') || (first.split('\n')[0] ?? '').length < headCharsMin;
    })
    .map(file => `${file.path} does not begin with a comment that says what it is and what it never does`);
}
