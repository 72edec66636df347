// Reads the project's source files and cuts TypeScript into tokens, so that comments and strings never trip a check.
// Never a parser: it knows words, strings, templates, regular expressions and signs, and nothing of what they mean.
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '..', '..');
const skippedFolders = new Set(['node_modules', 'dist', 'coverage', '.git', '.bigo']);

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export async function readFiles(patterns: readonly string[], folder = root): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const pattern of patterns) {
    for await (const file of glob(pattern, {
      cwd: folder,
      exclude: name => skippedFolders.has(path.basename(name)),
    })) {
      const text = await readFile(path.join(folder, file), 'utf8');
      files.push({ path: file.split(path.sep).join('/'), text });
    }
  }
  return files.toSorted((a, b) => a.path.localeCompare(b.path));
}

export const codePatterns = ['src/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'];

export function isTest(file: string): boolean {
  return file.endsWith('.test.ts');
}

export interface Token {
  readonly kind: 'word' | 'string' | 'template' | 'number' | 'regex' | 'sign';
  /** For a string its content without quotes; a template comes in the pieces between its holes. */
  readonly text: string;
  readonly line: number;
}

const patterns: readonly (readonly [Token['kind'] | 'space', RegExp])[] = [
  ['space', /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|^#![^\n]*)/y],
  ['word', /#?[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy],
  ['number', /\.?\d[\w.]*/y],
  ['string', /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y],
  ['regex', /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y],
  ['sign', /=>|\?\.|\.\.\.|[\s\S]/y],
];

/** After these a slash begins a regular expression; after any other word, a number or a closing bracket it divides. */
const beforeRegex = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'void',
  'delete',
  'throw',
  'new',
]);

function mayBeginRegex(last: Token | undefined): boolean {
  if (last === undefined) return true;
  if (last.kind === 'word') return beforeRegex.has(last.text);
  return last.kind === 'sign' && last.text !== ')' && last.text !== ']';
}

export function tokenise(text: string): Token[] {
  return new Tokeniser(text).run();
}

class Tokeniser {
  readonly #text: string;
  readonly #tokens: Token[] = [];
  /** For each open `${`, how many braces are open inside it. */
  readonly #templates: number[] = [];
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Token[] {
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === '`') this.#template(this.#at + 1);
      else if (this.#closesTemplateHole()) this.#template(this.#at + 1);
      else this.#plain();
    }
    return this.#tokens;
  }

  #closesTemplateHole(): boolean {
    if (this.#text[this.#at] !== '}' || this.#templates.at(-1) !== 0) return false;
    this.#templates.pop();
    return true;
  }

  /** From just after a backtick, or after the brace that ends a hole, to the next hole or the closing backtick. */
  #template(from: number): void {
    let at = from;
    while (at < this.#text.length && this.#text[at] !== '`' && !this.#text.startsWith('${', at)) {
      at += this.#text[at] === '\\' ? 2 : 1;
    }
    const opensHole = this.#text[at] === '$';
    if (opensHole) this.#templates.push(0);
    this.#push('template', this.#text.slice(from, at));
    this.#moveTo(at + (opensHole ? 2 : 1));
  }

  #plain(): void {
    for (const [kind, pattern] of patterns) {
      if (kind === 'regex' && !mayBeginRegex(this.#tokens.at(-1))) continue;
      pattern.lastIndex = this.#at;
      const found = pattern.exec(this.#text)?.[0];
      if (found === undefined) continue;
      if (kind === 'string') this.#push(kind, found.slice(1, -1));
      else if (kind !== 'space') this.#push(kind, found);
      this.#countBrace(found);
      this.#moveTo(this.#at + found.length);
      return;
    }
  }

  #countBrace(sign: string): void {
    const open = this.#templates.length - 1;
    if (open < 0) return;
    if (sign === '{') this.#templates[open] = (this.#templates[open] ?? 0) + 1;
    if (sign === '}') this.#templates[open] = (this.#templates[open] ?? 0) - 1;
  }

  #push(kind: Token['kind'], text: string): void {
    this.#tokens.push({ kind, text, line: this.#line });
  }

  #moveTo(at: number): void {
    for (let index = this.#at; index < at; index++) if (this.#text[index] === '\n') this.#line++;
    this.#at = at;
  }
}
