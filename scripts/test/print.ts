// What a test run says to people: a line per suite, its skips, and at the end what was left out. Never decides anything.
import { styleText } from 'node:util';
import { addCommand, parts, type PartName } from '../../test/tools/parts.ts';
import { leftOut, reasonCounts, totals, type SuiteResult } from './result.ts';
import type { Suite } from './suites.ts';

const rule = '─'.repeat(78);
const reasonsShownMax = 25;

export function suiteLines(suite: Suite, result: SuiteResult): string[] {
  if (result.files === 0 && suite.files.length > 0) {
    return [`${suite.name.padEnd(9)} no tests yet (${suite.files.join(' ')})`];
  }
  const over = result.seconds > suite.budgetSeconds;
  const late = over ? styleText('yellow', `  OVER BUDGET of ${suite.budgetSeconds} s`) : '';
  const mark = result.failed > 0 ? styleText('red', '✗') : styleText('green', '✓');
  const counts = `${result.passed} passed, ${result.failed} failed, ${result.skips.length} skipped`;
  const first = `${mark} ${suite.name.padEnd(9)} ${counts}, ${result.seconds.toFixed(1)} s${late}`;
  const reasons = reasonCounts(result.skips);
  const shown = reasons
    .slice(0, reasonsShownMax)
    .map(([reason, count]) => `    skipped ${count} × ${reason}`);
  const more = reasons.length - shown.length;
  return [first, ...unsteadyLines(result), ...shown, ...(more > 0 ? [`    and ${more} more reasons`] : [])];
}

function unsteadyLines(result: SuiteResult): string[] {
  return result.unsteady.map(test => styleText('yellow', `    UNSTEADY: ${test}`));
}

export function leftOutLines(results: readonly SuiteResult[]): string[] {
  const missing = leftOut(results);
  if (missing.length === 0) return [];
  const names = [...new Set(missing.map(entry => entry.part))];
  return [
    rule,
    styleText('yellow', 'LEFT OUT, because a real part is missing on this machine:'),
    ...missing.map(entry => `  ${entry.suite.padEnd(9)} ${entry.tests} × needs ${entry.part}`),
    'Add what is missing, then run the tests again:',
    `  ${styleText('bold', addCommand(names))}`,
    ...names.filter(isPart).map(name => `    ${name}: ${parts[name].cost}`),
    rule,
  ];
}

function isPart(name: string): name is PartName {
  return Object.hasOwn(parts, name);
}

export function totalLine(results: readonly SuiteResult[]): string {
  const { passed, failed, skipped } = totals(results);
  const unsteady = results.flatMap(result => result.unsteady).length;
  const said = unsteady === 0 ? '' : `, ${unsteady} unsteady (failed, then passed in a file run alone)`;
  return `${passed} passed, ${failed} failed, ${skipped} skipped${said}`;
}
