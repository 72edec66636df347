// Documents that cannot lie: links lead somewhere, named paths exist, and lists in the code are written about.
// Never judges prose.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { root, type SourceFile } from './source.ts';

const linkPattern = /\[[^\]]*\]\(([^)\s]+)\)/g;
const codePattern = /`([^`\n]+)`/g;
const pathPattern = /^(?:src|test|docs|scripts|bench|bin|deploy|k8s|ui|\.ci)\/[\w./-]*$/;

/** A link inside the repository; `#part` alone and `https:` are other things. */
export function brokenLinks(documents: readonly SourceFile[], folder = root): string[] {
  return documents.flatMap(document => {
    const targets = [...document.text.matchAll(linkPattern)].map(match => match[1] ?? '');
    const inside = targets.filter(target => !/^(?:[a-z]+:|#)/i.test(target));
    const broken = inside.filter(target => {
      const file = decodeURIComponent(target.split('#')[0] ?? '');
      return !existsSync(path.join(folder, path.dirname(document.path), file));
    });
    return broken.map(target => `${document.path} links to ${target}, which is not there`);
  });
}

/** Paths in backticks, as in `src/main.ts`; those with a placeholder or a pattern in them are left alone. */
export function missingPaths(documents: readonly SourceFile[], folder = root): string[] {
  return documents.flatMap(document => {
    const named = [...document.text.matchAll(codePattern)].map(match => match[1] ?? '');
    const missing = named.filter(name => pathPattern.test(name) && !existsSync(path.join(folder, name)));
    return [...new Set(missing)].map(name => `${document.path} names ${name}, which is not there`);
  });
}

export interface Listed {
  readonly what: string;
  readonly names: readonly string[];
  readonly document: SourceFile | undefined;
  readonly documentPath: string;
}

/** Every name of a list in the code must stand in its document, as a word of its own. */
export function undocumented(list: Listed): string[] {
  const { document } = list;
  if (document === undefined) return [`${list.documentPath} is missing; it must describe each ${list.what}`];
  return list.names
    .filter(name => !wholeWord(name).test(document.text))
    .map(name => `${list.documentPath} does not describe the ${list.what} ${name}`);
}

function wholeWord(name: string): RegExp {
  const literal = name.replace(/[^\w-]/g, sign => `\\${sign}`);
  return new RegExp(`(?<![\\w-])${literal}(?![\\w-])`);
}
