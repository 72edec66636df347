// The rule that `core/` is synchronous and closed: no promises, clock, randomness, environment, logger or node module.
// Never looks at comments or strings, and leaves members (`x.process`) and keys (`process:`) alone.
import { isTest, tokenise, type SourceFile, type Token } from './source.ts';

const forbidden = new Set([
  'await',
  'async',
  'Promise',
  'performance',
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'console',
  'fetch',
  'crypto',
  'globalThis',
  'require',
  'eval',
  'Atomics',
  'WebSocket',
]);

function isCore(file: string): boolean {
  return file.startsWith('src/') && file.includes('/core/') && !isTest(file);
}

function isMember(before: Token | undefined): boolean {
  return before?.kind === 'sign' && (before.text === '.' || before.text === '?.');
}

/** `process: …` and `process?: …` in a type or an object; `a ? process : b` is a use. */
function isKey(before: Token | undefined, after: Token | undefined, second: Token | undefined): boolean {
  if (before?.text === '?') return false;
  return after?.text === ':' || (after?.text === '?' && second?.text === ':');
}

/** `new Date(ms)`, `Date.parse` and `Date.UTC` compute; every other use of Date asks what time it is. */
function readsClock(before: Token | undefined, after: readonly (Token | undefined)[]): boolean {
  if (before?.text === 'new') return after[0]?.text !== '(' || after[1]?.text === ')';
  return !(after[0]?.text === '.' && (after[1]?.text === 'parse' || after[1]?.text === 'UTC'));
}

function impurities(file: SourceFile): string[] {
  const tokens = tokenise(file.text);
  const found: string[] = [];
  const report = (token: Token, what: string): void => {
    found.push(
      `${file.path}:${token.line} uses ${what}, which core must be given as an argument or leave to the shell`,
    );
  };
  tokens.forEach((token, index) => {
    const [before, after, second] = [tokens[index - 1], tokens[index + 1], tokens[index + 2]];
    if (token.kind === 'string' && token.text.startsWith('node:') && before?.text === 'from')
      report(token, token.text);
    if (token.kind !== 'word') return;
    if (token.text === 'Date' && !isMember(before) && readsClock(before, [after, second]))
      report(token, 'the clock');
    if (token.text === 'Math' && second?.text === 'random') report(token, 'Math.random');
    if (!forbidden.has(token.text) || isMember(before) || isKey(before, after, second)) return;
    report(token, token.text);
  });
  return found;
}

export function checkPurity(files: readonly SourceFile[]): string[] {
  return files.filter(file => isCore(file.path)).flatMap(impurities);
}
