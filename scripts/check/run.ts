// The steps of `npm run check`, two at a time, each with its time. Never changes a file.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { styleText } from 'node:util';
import type { SuiteResult } from '../test/result.ts';
import { strayTests } from '../test/run-suite.ts';
import { suites } from '../test/suites.ts';
import { brokenLinks, missingPaths, undocumented } from './documents.ts';
import { checkHeads } from './heads.ts';
import { importRules } from './import-rules.ts';
import { checkImports } from './imports.ts';
import { listsToDocument } from './lists.ts';
import { checkPurity } from './purity.ts';
import { checkFileSizes, checkFunctionSizes, functionSizes, longFiles, median } from './sizes.ts';
import { codePatterns, isTest, readFiles, root, type SourceFile } from './source.ts';
import { checkWords } from './words.ts';

export interface Step {
  readonly name: string;
  readonly budgetSeconds: number;
  /** Problems, one a line; none means the step passed. A note is printed either way. */
  run(): Promise<{ problems: readonly string[]; note?: string }>;
}

const stepsAtOnce = 2;
const problemsShownMax = 60;

function program(name: string, args: readonly string[], budgetSeconds: number): Step {
  const run = async (): Promise<{ problems: string[] }> => {
    const child = spawn(path.join(root, 'node_modules', '.bin', name), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const code = await new Promise<number | string>(resolve => {
      child.on('error', error => resolve(error.message));
      child.on('close', (exit, signal) => resolve(exit ?? signal ?? 'ended'));
    });
    return { problems: code === 0 ? [] : [...text.trim().split('\n'), `${name} ended with ${code}`] };
  };
  return { name: [name, ...args].join(' '), budgetSeconds, run };
}

function own(name: string, check: () => Promise<readonly string[]>): Step {
  return { name, budgetSeconds: 5, run: async () => ({ problems: await check() }) };
}

const code = (): Promise<SourceFile[]> => readFiles(codePatterns);
const markdown = (): Promise<SourceFile[]> =>
  readFiles(['*.md', 'docs/**/*.md', 'deploy/**/*.md', 'k8s/**/*.md']);

async function sizes(): Promise<{ problems: string[]; note: string }> {
  const functions = await functionSizes(['src', 'scripts', 'test', 'bench']);
  const files = (await code()).filter(file => !isTest(file.path));
  const lines = functions.filter(size => !isTest(size.file)).map(size => size.lines);
  const fileLines = files.map(file => file.text.split('\n').length);
  return {
    problems: [...checkFunctionSizes(functions), ...checkFileSizes(files, longFiles)],
    note: `median function ${median(lines)} lines, median file ${median(fileLines)} lines`,
  };
}

async function documents(): Promise<string[]> {
  const all = await markdown();
  const maps = all.filter(file => ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].includes(file.path));
  return [...brokenLinks(all), ...missingPaths(maps), ...listsToDocument(all).flatMap(undocumented)];
}

/** Loaded here and not above: it imports the commands, and a broken command must fail this step alone. */
async function generated(): Promise<string[]> {
  const { staleDocuments } = await import('./generated.ts');
  return staleDocuments();
}

/** Loaded here for the same reason. */
async function commands(): Promise<string[]> {
  const [{ unknownCommands }, { printedProgram }] = await Promise.all([
    import('./doc-commands.ts'),
    import('../docs/command-help.ts'),
  ]);
  // What was right when it was written stays in the history.
  const present = (await markdown()).filter(({ path: file }) => file !== 'CHANGELOG.md');
  return unknownCommands(present, await printedProgram());
}

const everything = ['**/*.{ts,cjs,js,json,md,yaml,yml,vue,sh}', 'bin/*', '.ci/*', 'LICENSE', '.npmrc'];

const steps: readonly Step[] = [
  program('tsc', ['-p', '.'], 20),
  program('oxlint', ['--type-aware', '--format=unix'], 15),
  program('prettier', ['--check', '--log-level=warn', '.'], 30),
  program('knip', ['--no-progress'], 30),
  { name: 'sizes', budgetSeconds: 10, run: sizes },
  own('imports', async () => checkImports(await code(), importRules)),
  own('purity of core', async () => checkPurity(await code())),
  own('heads of files', async () => checkHeads(await readFiles([...codePatterns, 'scripts/*.cjs']))),
  own('documents', documents),
  own('commands in documents', commands),
  own('generated documents', generated),
  own('every test is in a suite', () => strayTests(suites)),
  own('forbidden words', async () => checkWords(await readFiles(everything))),
];

/** Runs every step even when one fails, so that one run shows all there is to mend. */
export async function runChecks(say: (text: string) => void, table = steps): Promise<SuiteResult> {
  const started = performance.now();
  const waiting = [...table];
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      if (!(await runStep(step, say))) failed++;
    }
  };
  await Promise.all(Array.from({ length: stepsAtOnce }, worker));
  const seconds = (performance.now() - started) / 1000;
  return {
    name: 'check',
    files: table.length,
    passed: table.length - failed,
    failed,
    skips: [],
    unsteady: [],
    seconds,
  };
}

async function runStep(step: Step, say: (text: string) => void): Promise<boolean> {
  const started = performance.now();
  const { problems, note } = await step
    .run()
    .catch((error: unknown) => ({ problems: [String(error)], note: undefined }));
  const seconds = (performance.now() - started) / 1000;
  const mark = problems.length === 0 ? styleText('green', '✓') : styleText('red', '✗');
  const late =
    seconds > step.budgetSeconds ? styleText('yellow', `  OVER BUDGET of ${step.budgetSeconds} s`) : '';
  const more = note === undefined ? '' : `  (${note})`;
  say(`  ${mark} ${step.name.padEnd(34)} ${seconds.toFixed(1)} s${late}${more}`);
  for (const problem of problems.slice(0, problemsShownMax)) say(`      ${problem}`);
  if (problems.length > problemsShownMax) say(`      and ${problems.length - problemsShownMax} more`);
  return problems.length === 0;
}
