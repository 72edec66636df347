// `npm run tools [-- PART…]`: adds the named real parts, or all of them, and prints where each is.
// Never goes on silently: a part that cannot be added is named with its reason, and the exit code is 1.
import { addCommand, find, install, partNames, parts, type PartName } from './parts.ts';

const usage = `Usage: npm run tools [-- PART…]

Adds real parts that the tests use; without names, all of them.
Parts: ${partNames.join(', ')}
  --list   only say which parts are there`;

function isPart(name: string): name is PartName {
  return (partNames as readonly string[]).includes(name);
}

async function list(): Promise<number> {
  for (const name of partNames) {
    const file = await find(name);
    console.log(`${name.padEnd(14)} ${file ?? `missing (${parts[name].cost}): ${addCommand([name])}`}`);
  }
  return 0;
}

async function add(names: readonly PartName[]): Promise<number> {
  let failed = 0;
  for (const name of names) {
    const started = Date.now();
    if ((await find(name)) === undefined) console.log(`${name}: adding it (${parts[name].cost})`);
    try {
      const file = await install(name);
      console.log(`${name.padEnd(14)} ${file} (${Math.round((Date.now() - started) / 1000)} s)`);
    } catch (error) {
      failed++;
      console.error(`${name}: could not be added. ${(error as Error).message}`);
    }
  }
  return failed === 0 ? 0 : 1;
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes('--help')) {
    console.log(usage);
    return 0;
  }
  if (words.includes('--list')) return list();
  const unknown = words.filter(word => !isPart(word));
  if (unknown.length > 0) {
    console.error(`Unknown part: ${unknown.join(', ')}.\n${usage}`);
    return 64;
  }
  return add(words.length > 0 ? words.filter(isPart) : partNames);
}

process.exitCode = await main(process.argv.slice(2));
