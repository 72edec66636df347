// Words that must not be in the repository: addresses of package registries, and paths of somebody's own machine.
// Never a spelling or style check.
import type { SourceFile } from './source.ts';

/** Written in pieces, so that this file does not contain what it forbids. */
const forbidden: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: new RegExp(
      ['registry\\.npm', 'js\\.org|proxy\\.go', 'lang\\.org|files\\.python', 'hosted'].join(''),
    ),
    why: 'the address of a registry: installs must follow what the machine is configured to use',
  },
  { pattern: /(?<![\w.$}-])\/(?:work)\//, why: 'a path of one machine' },
  { pattern: /(?<![\w.$}-])\/(?:root)\/(?!\.ollama)/, why: 'a path of one machine' },
];

export function checkWords(files: readonly SourceFile[]): string[] {
  return files.flatMap(file => {
    return file.text.split('\n').flatMap((line, index) => {
      const hits = forbidden.filter(entry => entry.pattern.test(line));
      return hits.map(entry => `${file.path}:${index + 1} contains ${entry.why}`);
    });
  });
}
