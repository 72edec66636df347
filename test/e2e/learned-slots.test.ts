// How many requests a real Ollama serves at once, learned without being told, and learned again after a restart.
// Never says how long learning takes on another machine: it only waits until the value stays.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGatewayProcess, type GatewayProcess } from '../contract/gateway-process.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { startOllama } from '../tools/real-ollama.ts';

const clientCount = 8;
const settleMsMax = 60_000;
/** Learning goes on for ever, so the value must hold for this long, under load, to count as settled. */
const steadyMs = 6_000;
const pollMs = 100;

async function storeWithModel(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-slots-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const gguf = await find('smollm2');
  assert.ok(gguf !== undefined);
  const ollama = await startOllama({ store: folder });
  await ollama.createModel('smollm2', { gguf, parameters: { num_thread: 1, num_ctx: 512, temperature: 0 } });
  await ollama.stop();
  return folder;
}

async function learnedSlots(gateway: GatewayProcess): Promise<number> {
  const answer = await fetch(`${gateway.admin}/bigo/v1/fleet`);
  const fleet = (await answer.json()) as { backends: { slots: { value: number; source: string } }[] };
  const slots = fleet.backends[0]?.slots;
  assert.equal(slots?.source, 'learned');
  return slots.value;
}

/** Clients that ask again as soon as they have their answer, of lengths that differ. */
function keepAsking(gateway: GatewayProcess): () => Promise<void> {
  const stop = new AbortController();
  const failures: string[] = [];
  const clients = Array.from({ length: clientCount }, async (_, client) => {
    for (let turn = 0; !stop.signal.aborted; turn++) {
      const answer = await fetch(`${gateway.url}/api/generate`, {
        method: 'POST',
        body: JSON.stringify({
          model: 'smollm2',
          prompt: `Tell me about number ${client}.`,
          options: { num_predict: 8 + ((client * 7 + turn * 5) % 24) },
        }),
      });
      const text = await answer.text();
      if (!text.includes('"done":true')) failures.push(text.slice(0, 200));
    }
  });
  return async () => {
    stop.abort();
    await Promise.all(clients);
    assert.deepEqual(failures, []);
  };
}

/** The value that stays for `steadyMs`; the way there is told when it never does. */
async function settled(gateway: GatewayProcess, truth: number): Promise<readonly number[]> {
  const seen: number[] = [];
  const deadlineMs = performance.now() + settleMsMax;
  for (let sinceMs = performance.now(); performance.now() < deadlineMs; await sleep(pollMs)) {
    const value = await learnedSlots(gateway);
    if (seen.at(-1) !== value) seen.push(value);
    if (value !== truth) sinceMs = performance.now();
    if (performance.now() - sinceMs >= steadyMs) return seen;
  }
  assert.fail(`the value never stayed at ${truth}; it was ${seen.join(', ')}`);
}

test(
  'the slots of a real Ollama are learned without being told, and again after a restart',
  { skip: await skipUnless('ollama', 'smollm2') },
  async t => {
    const store = await storeWithModel(t);
    const serve = (slots: number, port?: number): ReturnType<typeof startOllama> =>
      startOllama({
        store,
        settings: { NUM_PARALLEL: String(slots) },
        ...(port === undefined ? {} : { port }),
      });
    let ollama = await serve(4);
    t.after(() => ollama.stop());
    const gateway = await startGatewayProcess([`${ollama.url},name=only`]);
    t.after(() => gateway.stop());
    for (const truth of [4, 1, 4]) {
      await ollama.stop();
      ollama = await serve(truth, ollama.port);
      const stopAsking = keepAsking(gateway);
      try {
        t.diagnostic(`${truth}: ${(await settled(gateway, truth)).join(' → ')}`);
      } finally {
        await stopAsking();
      }
    }
  },
);
