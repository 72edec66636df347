// The commands that guides print: of each shell block line by line, and those of kubectl, helm and bigo in the text. Never runs one.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..', '..', '..');

/** What a stranger follows from the first line to the last. */
export const guides = [
  'docs/guides/air-gapped.md',
  'docs/guides/backup-and-restore.md',
  'docs/guides/gpu-cluster.md',
  'docs/guides/gpu-time-slicing.md',
  'docs/guides/home-lab.md',
  'docs/guides/k3s.md',
  'docs/guides/security.md',
  'docs/guides/sizing.md',
  'docs/guides/storage.md',
  'docs/guides/upgrade-and-rollback.md',
  'deploy/compose/README.md',
  'deploy/systemd/README.md',
] as const;
export type Guide = (typeof guides)[number];

export const textOf = (guide: Guide): string => readFileSync(path.join(root, guide), 'utf8');

const fencePattern = /^([ ]*)```(\w+)\n([\s\S]*?)^[ ]*```/gm;
const inlinePattern = /`((?:kubectl|helm|bigo|ollama|npm|docker) [^`\n]+)`/g;

/** In the order of the page, each once; two words in the text, such as `bigo up`, are a name and no command. */
export function printedCommands(guide: Guide): string[] {
  const text = textOf(guide);
  const fenced = [...text.matchAll(fencePattern)]
    .filter(([, , language]) => language === 'sh')
    .flatMap(([, indent = '', , body = '']) =>
      commandsOf(body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')),
    );
  const inline = [...text.replaceAll(fencePattern, '').matchAll(inlinePattern)]
    .map(([, code = '']) => code)
    .filter(code => code.split(' ').length > 2);
  return [...new Set([...fenced, ...inline])];
}

/** Of a block of another language, such as a file that a command reads. */
export function printedBlock(guide: Guide, language: string, nth = 0): string {
  const blocks = [...textOf(guide).matchAll(fencePattern)].filter(([, , of]) => of === language);
  const block = blocks[nth];
  if (block === undefined) throw new Error(`${guide} has no block ${nth} of ${language}.`);
  return block[3] ?? '';
}

/** A command goes on after a backslash, and to the end of its here-document. */
function commandsOf(block: string): string[] {
  const commands: string[] = [];
  const lines = block.split('\n');
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    let command = line;
    while (command.endsWith('\\')) command += `\n${lines.shift() ?? ''}`;
    const end = /<<'?(\w+)'?$/.exec(command)?.[1];
    if (end !== undefined) {
      while (lines.length > 0 && !command.endsWith(`\n${end}`)) command += `\n${lines.shift() ?? ''}`;
    }
    if (!/^\s*(#|$)/.test(command)) commands.push(command.replace(/\s+#.*$/, '').trimEnd());
  }
  return commands;
}
