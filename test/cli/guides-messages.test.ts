// What docs/troubleshooting.md quotes is what the programs say: each quoted message is found in the texts of the code, but for values.
// Never judges the advice beside it.
import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';

const root = path.join(import.meta.dirname, '..', '..');
const page = await readFile(path.join(root, 'docs/troubleshooting.md'), 'utf8');

/** Others say these: Kubernetes, Ollama, Traefik or nginx. */
const foreign = [
  'no matches for kind "OllamaDeployment" in version "llm.geeper.io/v1alpha1"',
  'CUDA out of memory',
] as const;

const fragmentCharsMin = 7;
const coveredShareMin = 0.8;

/** The constant parts of every text in the code. */
async function fragments(): Promise<string[]> {
  const found = new Set<string>();
  for await (const file of glob(['src/**/*.ts', 'scripts/setup.cjs', 'bin/bigo'], { cwd: root })) {
    if (file.endsWith('.test.ts')) continue;
    const text = await readFile(path.join(root, file), 'utf8');
    const literals = text.match(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];
    for (const literal of literals) {
      const plain = literal.slice(1, -1).replaceAll(/\\(.)/g, '$1');
      for (const part of plain.split(/\$\{[^{}]*\}|\n/)) if (part.length >= fragmentCharsMin) found.add(part);
    }
  }
  return [...found];
}

/** Quoted as code: whole sentences, not commands, names or keys. */
function quotedMessages(): string[] {
  const text = page.replaceAll(/^```[\s\S]*?^```/gm, '');
  const spans = [...text.matchAll(/(`+) ?([^\n]+?) ?\1(?!`)/g)].map(([, , code = '']) => code);
  const isMessage = (code: string): boolean =>
    code.split(' ').length > 2 && !/^(bin\/bigo|bigo|kubectl|npm|Authorization)\b/.test(code);
  const logged = [...page.matchAll(/"msg":"([^"]+)"/g)].map(([, message = '']) => message);
  return [...new Set([...spans.filter(isMessage), ...logged])];
}

/** Values of a person's own: numbers, names with a sign in them, what stands in quotation marks. */
const valuePattern = /…|"[^"]*"|'[^']*'|[\w./:-]*[\d/:][\w./:-]*|\w+(?:\.\w+)+|\b[A-Z]{3,}\b/g;

function coveredShare(quote: string, parts: readonly string[]): number {
  const covered = Array.from({ length: quote.length }, () => false);
  const cover = (from: number, length: number): void => void covered.fill(true, from, from + length);
  for (const { index, 0: value } of quote.matchAll(valuePattern)) cover(index, value.length);
  for (const part of parts) {
    for (let at = quote.indexOf(part); at >= 0; at = quote.indexOf(part, at + 1)) cover(at, part.length);
  }
  // A piece between values may itself be a part of a longer text.
  for (const { index, 0: piece } of quote.matchAll(/[^…]{7,}/g)) {
    const own = piece.trim();
    if (own.length >= fragmentCharsMin && parts.some(part => part.includes(own))) cover(index, piece.length);
  }
  const letters = quote.split('').map((sign, index) => (sign === ' ' ? true : covered[index] === true));
  return letters.filter(Boolean).length / letters.length;
}

describe('messages that the troubleshooting page quotes', async () => {
  const parts = await fragments();
  const quotes = quotedMessages();

  it('are many, and those of others are named', () => {
    assert.ok(quotes.length >= 35, `${quotes.length}`);
    for (const one of foreign) assert.ok(quotes.includes(one), one);
  });

  for (const quote of quotes.filter(one => !(foreign as readonly string[]).includes(one))) {
    it(`“${quote}” is said by the code`, () => {
      const share = coveredShare(quote, parts);
      assert.ok(share >= coveredShareMin, `${Math.round(share * 100)} % of it is in the code's texts`);
    });
  }

  it('a message that nobody says is noticed', () => {
    for (const quote of ['the moon is not full tonight', 'This gateway needs a password.'])
      assert.ok(coveredShare(quote, parts) < coveredShareMin, quote);
  });
});
