// Runs every contract case against one implementation, directly and through the gateway, and says how many ran.
import { after, before, describe, test } from 'node:test';
import { ANTHROPIC } from './cases/anthropic.ts';
import { CHANGES } from './cases/changes.ts';
import { CHAT } from './cases/chat.ts';
import { CONCURRENCY } from './cases/concurrency.ts';
import { EMBEDDINGS } from './cases/embeddings.ts';
import { ERRORS } from './cases/errors.ts';
import { GENERATE } from './cases/generate.ts';
import { LISTS } from './cases/lists.ts';
import { OPENAI } from './cases/openai.ts';
import { RESIDENCY } from './cases/residency.ts';
import { STRUCTURE } from './cases/structure.ts';
import { startGatewayProcess } from './gateway-process.ts';
import { MODEL, START } from './implementations.ts';
import type { Started } from './implementations.ts';
import { skipReason } from './target.ts';
import type { Case, Kind, Target, Way } from './target.ts';

const AREAS: Readonly<Record<string, readonly Case[]>> = {
  lists: LISTS,
  generate: GENERATE,
  chat: CHAT,
  structure: STRUCTURE,
  embeddings: EMBEDDINGS,
  openai: OPENAI,
  anthropic: ANTHROPIC,
  residency: RESIDENCY,
  changes: CHANGES,
  errors: ERRORS,
  concurrency: CONCURRENCY,
};

const ways: readonly Way[] = ['direct', 'gateway'];

export async function runContract(kind: Kind): Promise<void> {
  const started = await START[kind]();
  if (typeof started === 'string') {
    test(`contract: ${kind}`, { skip: started });
    return;
  }
  after(() => started.stop());
  for (const way of ways) describeWay(kind, way, started);
}

function describeWay(kind: Kind, way: Way, started: Started): void {
  describe(`contract: ${kind}, ${way}`, () => {
    const tally = { ran: 0, skipped: new Map<string, number>() };
    let url = started.url;
    let stop = async (): Promise<void> => undefined;
    before(async () => {
      if (way === 'direct') return;
      const gateway = await startGatewayProcess([`${started.url},name=${kind}`]);
      url = gateway.url;
      stop = () => gateway.stop();
    });
    after(async () => {
      await stop();
      report(`${kind}, ${way}`, tally);
    });
    for (const [area, cases] of Object.entries(AREAS)) {
      for (const each of cases) {
        const reason = skipReason(each, { kind, way });
        if (reason === undefined) tally.ran++;
        else tally.skipped.set(reason, (tally.skipped.get(reason) ?? 0) + 1);
        test(
          `${area}: ${each.name}`,
          { skip: reason === undefined ? false : `not offered by ${kind}: ${reason}` },
          () => each.run(targetOf(kind, way, url)),
        );
      }
    }
  });
}

function targetOf(kind: Kind, way: Way, url: string): Target {
  return { kind, way, url, model: MODEL, prefix: `t-${way}-${process.pid}` };
}

function report(name: string, tally: { ran: number; skipped: ReadonlyMap<string, number> }): void {
  const skipped = [...tally.skipped.values()].reduce((sum, count) => sum + count, 0);
  console.log(`contract ${name}: ${tally.ran} cases ran, ${skipped} skipped`);
  for (const [reason, count] of tally.skipped) console.log(`  skipped ${count}: ${reason}`);
}
