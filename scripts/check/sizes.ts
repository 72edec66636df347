// Keeps functions and files small: 70 lines for a function, 400 for a file unless a reason is written down.
// Never counts by itself where a function begins: oxlint says how long each one is.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { isTest, root, type SourceFile } from './source.ts';

const functionLinesMax = 70;
const fileLinesMax = 400;
const medianLinesMax = 13;

export interface LongFile {
  readonly file: string;
  readonly linesMax: number;
  readonly reason: string;
}

/** Files over 400 lines that stay so for a reason. An entry whose file has become small, or is gone, fails. */
export const longFiles: readonly LongFile[] = [
  {
    file: 'test/fuzz/http-table/table.ts',
    linesMax: 700,
    reason: 'one table of hostile requests, a line or two each',
  },
  {
    file: 'src/gateway/core/request/scan.ts',
    linesMax: 430,
    reason: 'one state machine over bytes; its states read better together',
  },
  {
    file: 'src/sim/ollama-model.ts',
    linesMax: 480,
    reason: 'two loops of one real scheduler that meet in the same state',
  },
  {
    file: 'test/cli/guides/commands.ts',
    linesMax: 600,
    reason: 'one table of the commands that the guides print, a line or two each',
  },
];

export function checkFileSizes(files: readonly SourceFile[], exceptions: readonly LongFile[]): string[] {
  const lines = new Map(files.map(file => [file.path, file.text.split('\n').length - 1]));
  const stale = exceptions
    .filter(entry => (lines.get(entry.file) ?? 0) <= fileLinesMax)
    .map(entry => `sizes.ts excuses ${entry.file}, which is not over ${fileLinesMax} lines any more`);
  const long = [...lines].flatMap(([file, count]) => {
    const limit = exceptions.find(entry => entry.file === file)?.linesMax ?? fileLinesMax;
    return count > limit
      ? [`${file} has ${count} lines, over ${limit}: split it, or give a reason in sizes.ts`]
      : [];
  });
  return [...stale, ...long];
}

export interface FunctionSize {
  readonly file: string;
  readonly line: number;
  readonly lines: number;
}

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** With a limit of nothing, oxlint complains about every function and tells its length. */
export async function functionSizes(folders: readonly string[]): Promise<FunctionSize[]> {
  const config = path.join(import.meta.dirname, 'function-sizes.json');
  const oxlint = path.join(root, 'node_modules', '.bin', 'oxlint');
  const child = spawn(oxlint, ['--config', config, '--format', 'json', ...folders], { cwd: root });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  const { diagnostics } = JSON.parse(text) as { diagnostics: Diagnostic[] };
  return diagnostics.flatMap(found => {
    const lines = /too many lines \((\d+)\)/.exec(found.message)?.[1];
    if (lines === undefined) return [];
    return [{ file: found.filename, line: found.labels[0]?.span.line ?? 0, lines: Number(lines) }];
  });
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

export function checkFunctionSizes(sizes: readonly FunctionSize[]): string[] {
  const own = sizes.filter(size => !isTest(size.file));
  const middle = median(own.map(size => size.lines));
  const long = own
    .filter(size => size.lines > functionLinesMax)
    .map(size => `${size.file}:${size.line} a function of ${size.lines} lines, over ${functionLinesMax}`);
  const heavy = `the median function has ${middle} lines, over ${medianLinesMax}: split the long ones`;
  return middle > medianLinesMax ? [...long, heavy] : long;
}
