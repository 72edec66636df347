// Checks every import of the project against import-rules.ts, both ways: forbidden imports and rules nobody uses.
// Never resolves packages; a bare name is a package, `node:` is node's own.
import path from 'node:path/posix';
import { everything, type ImportRules } from './import-rules.ts';
import { isTest, tokenise, type SourceFile } from './source.ts';

interface Import {
  readonly from: SourceFile;
  readonly line: number;
  readonly target: string;
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'` and `import('x')`. */
function importsOf(file: SourceFile): Import[] {
  const tokens = tokenise(file.text);
  return tokens.flatMap((token, index) => {
    if (token.kind !== 'string') return [];
    const before = tokens[index - 1];
    const called = before?.text === '(' && tokens[index - 2]?.text === 'import';
    const named = before?.kind === 'word' && (before.text === 'from' || before.text === 'import');
    return called || named ? [{ from: file, line: token.line, target: token.text }] : [];
  });
}

function partOf(rules: ImportRules, file: string): string | undefined {
  const fits = Object.entries(rules.parts).filter(([, prefix]) => file.startsWith(prefix));
  return fits.toSorted((a, b) => b[1].length - a[1].length)[0]?.[0];
}

function packageName(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Test files beside the code may also use the helpers of the tests and any package. */
const partsForTests = new Set(['tools', 'fakes', 'test']);

class Judge {
  readonly problems: string[] = [];
  readonly #rules: ImportRules;
  readonly #used = new Set<string>();

  constructor(rules: ImportRules) {
    this.#rules = rules;
  }

  take(one: Import): void {
    const part = partOf(this.#rules, one.from.path);
    if (part === undefined) this.problems.push(`${one.from.path} belongs to no part of import-rules.ts`);
    else if (one.target.startsWith('.')) this.#own(one, part);
    else if (!one.target.startsWith('node:')) this.#package(one, part);
  }

  #own(one: Import, part: string): void {
    const file = path.join(path.dirname(one.from.path), one.target);
    const to = partOf(this.#rules, file);
    if (to === undefined || to === part) return;
    if (isTest(one.from.path) && partsForTests.has(to)) return;
    this.#require(one, part, { kind: 'may', name: to });
  }

  #package(one: Import, part: string): void {
    if (!isTest(one.from.path)) this.#require(one, part, { kind: 'packages', name: packageName(one.target) });
  }

  #require(one: Import, part: string, wanted: { kind: 'may' | 'packages'; name: string }): void {
    const { kind, name } = wanted;
    const allowed = this.#rules[kind][part] ?? [];
    if (allowed === everything) return;
    if (allowed.includes(name)) {
      if (!isTest(one.from.path)) this.#used.add(`${kind} ${part} ${name}`);
      return;
    }
    this.problems.push(
      `${one.from.path}:${one.line} imports ${one.target}, but ${part} may not import ${name}`,
    );
  }

  stale(): string[] {
    return (['may', 'packages'] as const).flatMap(kind => {
      return Object.entries(this.#rules[kind]).flatMap(([part, names]) => {
        if (names === everything) return [];
        const unused = names.filter(name => !this.#used.has(`${kind} ${part} ${name}`));
        return unused.map(name => `import-rules.ts lets ${part} import ${name}, which it no longer does`);
      });
    });
  }
}

export function checkImports(files: readonly SourceFile[], rules: ImportRules): string[] {
  const judge = new Judge(rules);
  for (const file of files) for (const one of importsOf(file)) judge.take(one);
  return [...judge.problems, ...judge.stale()];
}
