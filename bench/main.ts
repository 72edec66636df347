// `npm run bench [-- NAME… --quick]`: measures, keeps the raw results, writes docs/benchmarks.md and prints one table.
// Never stops at a benchmark that cannot run here: it says why and goes on.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { optionsFrom } from './lib/load.ts';
import type { BenchOptions } from './lib/load.ts';
import { overhead } from './overhead.ts';
import { installPeer, peerNames } from './peers/install.ts';
import { race } from './race.ts';
import { realOllama } from './real-ollama.ts';
import { benchmarksPage, summary } from './report.ts';
import { routingSim } from './routing-sim.ts';
import { streams } from './streams.ts';

const benchmarks: Readonly<Record<string, (options: BenchOptions) => Promise<void>>> = {
  overhead,
  streams,
  sim: routingSim,
  race,
  real: realOllama,
};

const help = `Usage: npm run bench [-- NAME… --quick]

  peers      install what is measured beside BigO, outside the checkout
  overhead   what a request costs: nginx, Portkey, LiteLLM         5 min
  streams    paced streams and memory: nginx                       6 min
  sim        routing by simulation: six simple policies            2 min
  race       routing over HTTP: ollama-herd, nginx, Olla       2 h 30 min
  real       routing over real Ollamas: nginx                     12 min
  report     only write the tables again

Without names: all but peers. --quick: short runs that show that it works.`;

async function peers(): Promise<void> {
  for (const name of peerNames) {
    const line = await installPeer(name).then(
      found => `${found.version}  ${found.program}`,
      (error: Error) => `cannot be had: ${error.message.split('\n').at(-1)}`,
    );
    console.log(`${name.padEnd(8)} ${line}`);
  }
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help')) {
    console.log(help);
    return 0;
  }
  const options = optionsFrom(words);
  const names = options.only.length > 0 ? options.only : [...Object.keys(benchmarks)];
  const unknown = names.filter(name => !(name in benchmarks) && name !== 'peers' && name !== 'report');
  if (unknown.length > 0) {
    console.error(`Unknown benchmark: ${unknown.join(', ')}.\n${help}`);
    return 64;
  }
  if (names.includes('peers')) await peers();
  let failed = 0;
  for (const name of names) {
    await benchmarks[name]?.({ quick: options.quick, only: [] }).catch((error: Error) => {
      failed++;
      console.error(`${name} could not be measured: ${error.message}`);
    });
  }
  if (!options.quick)
    await writeFile(path.resolve(import.meta.dirname, '../docs/benchmarks.md'), await benchmarksPage());
  console.log(options.quick ? 'Short runs: nothing was kept.' : await summary());
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
