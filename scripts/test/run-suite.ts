// Runs the files of one suite in a `node --test` child and reads its reporter's lines.
// Never judges skips and never decides the exit code: that is the caller's, from the result.
import { spawn } from 'node:child_process';
import { glob } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { ReportLine } from './reporter.ts';
import type { Skip, SuiteResult } from './result.ts';
import type { Suite } from './suites.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const outputLinesKept = 40;
/** A run that hangs is ended after so many budgets, and never later than so long after its budget: others come after it. */
const hardLimitBudgets = 5;
const overBudgetSecondsMax = 900;
/**
 * What a failed hook left open keeps its file for ever: after so many times the time of a test without a word the run is ended. Never by
 * --test-force-exit, which leaves out, without a word, the tests of a file that waits for something before it has named them all.
 */
const silenceTestsMax = 2;

async function suiteFiles(suite: Pick<Suite, 'files'>, folder = root): Promise<string[]> {
  const files: string[] = [];
  for (const pattern of suite.files) {
    for await (const file of glob(pattern, { cwd: folder, exclude: name => name === 'node_modules' }))
      files.push(file);
  }
  return files.toSorted();
}

/** Tests that lie where no suite looks would pass by never running. */
export async function strayTests(table: readonly Suite[], folder = root): Promise<string[]> {
  const run = new Set((await Promise.all(table.map(suite => suiteFiles(suite, folder)))).flat());
  const all = await suiteFiles({ files: ['**/*.test.ts'] }, folder);
  return all
    .filter(file => !run.has(file))
    .map(file => `${file} is run by no suite of scripts/test/suites.ts`);
}

class Collector {
  passed = 0;
  failedTestCount = 0;
  ended = false;
  /** A failure that belongs to no test. */
  broken = false;
  brokenGroups = 0;
  readonly skips: Skip[] = [];
  readonly failedTests: string[] = [];
  readonly failedFiles = new Set<string>();
  /** Tests, groups and files that began and are not over. */
  readonly #running = new Set<string>();
  readonly #output = new Map<string, string[]>();
  readonly #print: (text: string) => void;
  readonly #showsOutput: boolean;

  constructor(suite: Suite, print: (text: string) => void) {
    this.#showsOutput = suite.showsOutput;
    this.#print = print;
  }

  get failed(): number {
    return this.failedTestCount + this.brokenGroups;
  }

  get running(): readonly string[] {
    return [...this.#running];
  }

  take(line: ReportLine): void {
    switch (line.kind) {
      case 'skip':
        this.skips.push({ test: line.test, reason: line.reason });
        return;
      case 'fail':
        this.#fail(line.test, line);
        return;
      case 'broken group':
        this.brokenGroups++;
        this.#fail(`${line.group}: a hook, or the group itself`, line);
        return;
      case 'empty':
        this.passed--;
        this.failedTestCount++;
        this.broken = true;
        this.#print(`  ✗ ${path.relative(root, line.file)} holds no test`);
        return;
      case 'output':
        if (this.#showsOutput) this.#print(indented(line.text.trimEnd()));
        else this.#keep(line.file, line.text);
        return;
      case 'begin':
        this.#running.add(placeOf(line));
        return;
      case 'over':
        this.#running.delete(placeOf(line));
        return;
      case 'note':
        this.#print(`    ${line.text}`);
        return;
      case 'end':
        this.passed += line.passed;
        this.failedTestCount += line.failed;
        this.ended = true;
    }
  }

  #fail(what: string, { file, error }: { readonly file: string; readonly error: string }): void {
    this.failedTests.push(what);
    this.failedFiles.add(file);
    this.#print(`  ✗ ${what}  (${path.relative(root, file)})\n${indented(error)}`);
    this.#printOutput(file);
  }

  #keep(file: string, text: string): void {
    const lines = [...(this.#output.get(file) ?? []), ...text.split('\n').filter(Boolean)];
    this.#output.set(file, lines.slice(-outputLinesKept));
  }

  /** What a file printed is shown only when one of its tests failed, once. */
  #printOutput(file: string): void {
    const lines = this.#output.get(file);
    if (lines !== undefined) this.#print(indented(`it printed:\n${lines.join('\n')}`));
    this.#output.delete(file);
  }
}

function placeOf({ test, file }: { readonly test: string; readonly file: string }): string {
  return `${path.relative(root, file)}: ${test}`;
}

function indented(text: string): string {
  return text.replace(/^/gm, '      ');
}

export async function runSuite(
  suite: Suite,
  print: (text: string) => void,
  folder = root,
): Promise<SuiteResult> {
  const files = await suiteFiles(suite, folder);
  const started = performance.now();
  const limitSeconds = Math.min(
    suite.budgetSeconds * hardLimitBudgets,
    suite.budgetSeconds + overBudgetSecondsMax,
  );
  const endMs = started + limitSeconds * 1000;
  const first = new Collector(suite, print);
  if (files.length > 0) await runFiles({ suite, files, folder, endMs, collector: first, print });
  const second = deservesSecondRun(suite, first) ? await runAgain({ suite, first, endMs, print }) : undefined;
  const seconds = (performance.now() - started) / 1000;
  const steadied = second?.failed === 0;
  return {
    name: suite.name,
    files: files.length,
    passed: first.passed + (steadied ? first.failedTestCount : 0),
    failed: steadied ? 0 : first.failed,
    skips: first.skips,
    unsteady: steadied ? first.failedTests : [],
    seconds,
  };
}

/** Only failures of tests, and only few: a defect in the product shows in both runs, a machine that was busy in one. */
function deservesSecondRun(suite: Suite, first: Collector): boolean {
  const count = first.failedFiles.size;
  return !first.broken && count > 0 && count <= suite.secondRunFilesMax;
}

interface Again extends Pick<Run, 'suite' | 'endMs' | 'print'> {
  readonly first: Collector;
}

async function runAgain({ suite, first, endMs, print }: Again): Promise<Collector> {
  const files = [...first.failedFiles];
  const shown = files.map(file => path.relative(root, file)).join(', ');
  print(`  ↻ a second run, alone, of ${shown}`);
  const collector = new Collector(suite, print);
  await runFiles({ suite: { ...suite, filesAtOnce: 1 }, files, folder: root, endMs, collector, print });
  return collector;
}

interface Run {
  readonly suite: Suite;
  readonly files: readonly string[];
  readonly folder: string;
  /** Both runs of a suite end by then. */
  readonly endMs: number;
  readonly collector: Collector;
  readonly print: (text: string) => void;
}

async function runFiles(run: Run): Promise<void> {
  const { suite, collector, print } = run;
  const args = [
    '--test',
    '--disable-warning=ExperimentalWarning',
    `--test-concurrency=${suite.filesAtOnce}`,
    `--test-timeout=${suite.testSecondsMax * 1000}`,
    `--test-reporter=${path.join(import.meta.dirname, 'reporter.ts')}`,
    '--test-reporter-destination=stdout',
    ...run.files,
  ];
  // Without this a test runner started by a test would report to that test's parent.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: run.folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: Math.max(1, Math.round(run.endMs - performance.now())),
  });
  const closed = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal ?? String(code)));
  });
  const silence = setTimeout(() => child.kill(), suite.testSecondsMax * silenceTestsMax * 1000);
  for await (const text of createInterface({ input: child.stdout })) {
    silence.refresh();
    takeText(run, text);
  }
  clearTimeout(silence);
  const how = await closed;
  const explained = how === '0' || (how === '1' && collector.failed > 0);
  if (collector.ended && explained) return;
  collector.failedTestCount++;
  collector.broken = true;
  print(
    `  ✗ the test run itself ended with ${how}${child.killed ? ': far over its budget, or silent for too long' : ''}`,
  );
  if (child.killed) print(indented(['still running:', ...collector.running].join('\n')));
}

function takeText(run: Run, text: string): void {
  let line: ReportLine;
  try {
    line = JSON.parse(text) as ReportLine;
  } catch {
    run.print(`    ${text}`);
    return;
  }
  run.collector.take(line);
}
