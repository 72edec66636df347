// `npm test [-- SUITE…]`: runs the suites that this machine can run and says aloud what it left out.
// Never hides a gap: with BIGO_TEST_REQUIRE=all a missing part or an unexplained skip fails the run.
import { find, install, parts, type PartName } from '../test/tools/parts.ts';
import { runChecks } from './check/run.ts';
import { leftOutLines, suiteLines, totalLine } from './test/print.ts';
import { isAllowedSkip, totals, type SuiteResult } from './test/result.ts';
import { runSuite } from './test/run-suite.ts';
import { suites, type Suite } from './test/suites.ts';

const usage = `Usage: npm test [-- [--list] SUITE…]

Runs the named suites, or all of them. Variables:
  BIGO_TEST_REQUIRE=all   a missing real part or an unexplained skip is a failure
  BIGO_TEST_ADD=no        never build or download a missing real part by itself
  BIGO_CACHE=FOLDER       where real parts are kept (default ~/.cache/bigo)`;

const say = (text: string): void => console.log(text);

function list(): void {
  for (const suite of suites) {
    const needs = suite.needs.length > 0 ? `, uses ${suite.needs.join(' and ')}` : '';
    say(`${suite.name.padEnd(9)} ${suite.about} (budget ${suite.budgetSeconds} s${needs})`);
  }
}

/** Parts that only touch the cache folder are added unasked; one that cannot be added is reported with its skips. */
async function addParts(suite: Suite, tried: Set<PartName>): Promise<void> {
  if (process.env['BIGO_TEST_ADD'] === 'no') return;
  for (const name of suite.needs) {
    if (tried.has(name) || !parts[name].onlyCache || (await find(name)) !== undefined) continue;
    tried.add(name);
    say(`  adding ${name} for the tests, once (${parts[name].cost})`);
    await install(name).catch((error: unknown) =>
      say(`  ${name} could not be added: ${(error as Error).message}`),
    );
  }
}

async function runAll(wanted: readonly Suite[]): Promise<SuiteResult[]> {
  const results: SuiteResult[] = [];
  const tried = new Set<PartName>();
  for (const suite of wanted) {
    say(`▸ ${suite.name}: ${suite.about}`);
    await addParts(suite, tried);
    const result = suite.name === 'check' ? await runChecks(say) : await runSuite(suite, say);
    for (const line of suiteLines(suite, result)) say(line);
    results.push(result);
  }
  return results;
}

/** What fails the run although no test failed. */
async function gaps(wanted: readonly Suite[], results: readonly SuiteResult[]): Promise<string[]> {
  if (process.env['BIGO_TEST_REQUIRE'] !== 'all') return [];
  const needed = new Set(wanted.flatMap(suite => suite.needs));
  const missing: string[] = [];
  for (const name of needed) if ((await find(name)) === undefined) missing.push(`${name} is missing`);
  const unexplained = results.flatMap(result => {
    const skips = result.skips.filter(skip => !isAllowedSkip(skip));
    return skips.map(skip => `${result.name}: "${skip.test}" was skipped: ${skip.reason}`);
  });
  return [...missing, ...unexplained];
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help')) return (say(usage), 0);
  if (words.includes('--list')) return (list(), 0);
  const unknown = words.filter(word => !suites.some(suite => suite.name === word));
  if (unknown.length > 0) {
    console.error(
      `Unknown suite: ${unknown.join(', ')}. Known: ${suites.map(suite => suite.name).join(', ')}.`,
    );
    return 64;
  }
  const wanted = words.length > 0 ? suites.filter(suite => words.includes(suite.name)) : suites;
  const results = await runAll(wanted);
  for (const line of leftOutLines(results)) say(line);
  const open = await gaps(wanted, results);
  for (const gap of open) say(`BIGO_TEST_REQUIRE=all: ${gap}`);
  say(totalLine(results));
  return totals(results).failed > 0 || open.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
