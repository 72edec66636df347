// Contract: what is loaded, for how long, and with which context.
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import { until } from '../../tools/until.ts';
import { ask, assertError, post, runnerOf, small, textAt, unload } from '../target.ts';
import type { Case, Json, Target } from '../target.ts';

/** A gateway shows what it saw at its last look. */
async function loadedRunner(target: Target): Promise<Json> {
  await until('ps lists the runner', async () => (await runnerOf(target, target.model)) !== undefined);
  return (await runnerOf(target, target.model)) ?? {};
}

async function expiresInMs(target: Target): Promise<number> {
  const runner = await loadedRunner(target);
  return Date.parse(textAt(runner, 'expires_at')) - Date.now();
}

export const RESIDENCY: readonly Case[] = [
  {
    name: 'an empty prompt loads, keep_alive 0 unloads, ps follows',
    run: async target => {
      await unload(target);
      const loaded = await ask(target, '/api/generate', { model: target.model, stream: false });
      assert.equal(loaded['done_reason'], 'load');
      assert.equal(loaded['done'], true);
      await loadedRunner(target);
      const gone = await ask(target, '/api/generate', { model: target.model, keep_alive: 0 });
      assert.equal(gone['done_reason'], 'unload');
      await unload(target);
    },
  },
  {
    name: 'ps tells size, digest, details, expiry and context of a runner',
    run: async target => {
      await unload(target); // a copy of the model may have loaded these weights: ps then shows the copy's name
      await ask(target, '/api/generate', {
        model: target.model,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
      const raw = await loadedRunner(target);
      const { models } = await new Ollama({ host: target.url }).ps();
      const runner = models.find(each => each.name === target.model);
      assert.ok(runner !== undefined);
      assert.match(runner.digest, /^[0-9a-f]{64}$/);
      assert.ok(runner.size > 0 && runner.size_vram >= 0 && runner.size_vram <= runner.size);
      assert.ok(Number(raw['context_length']) > 0);
      textAt(raw, 'details', 'family');
    },
  },
  {
    name: 'keep_alive sets the expiry, as a text or in seconds; negative is for ever',
    run: async target => {
      await unload(target);
      const request = {
        model: target.model,
        prompt: 'Hi.',
        stream: false,
        options: { ...small, num_predict: 1 },
      };
      const cases: [unknown, number, number][] = [
        ['20m', 19 * 60_000, 20 * 60_000],
        [90, 60_000, 90_000],
        [-1, 365 * 86_400_000, Infinity],
        ['5m', 4 * 60_000, 5 * 60_000],
      ];
      for (const [keepAlive, minMs, maxMs] of cases) {
        await ask(target, '/api/generate', { ...request, keep_alive: keepAlive });
        await until(`ps shows keep_alive ${String(keepAlive)}`, async () => {
          const leftMs = await expiresInMs(target);
          return leftMs > minMs && leftMs <= maxMs + 1000;
        });
      }
    },
  },
  {
    name: 'a keep_alive that is no duration is refused',
    run: async target => {
      const answer = await post(target, '/api/generate', {
        model: target.model,
        prompt: 'x',
        keep_alive: 'soon',
      });
      assertError(answer, 400, /./);
    },
  },
  {
    name: 'num_ctx of the request is the context of the runner',
    run: async target => {
      await unload(target);
      const request = { model: target.model, prompt: 'Hi.', stream: false };
      await ask(target, '/api/generate', { ...request, options: { ...small, num_predict: 1, num_ctx: 512 } });
      assert.equal((await loadedRunner(target))['context_length'], 512);
      await unload(target);
    },
  },
  {
    name: 'an unload in chat form and for a model that is not loaded is answered',
    run: async target => {
      for (let times = 0; times < 2; times++) {
        const answer = await ask(target, '/api/chat', { model: target.model, messages: [], keep_alive: 0 });
        assert.equal(answer['done_reason'], 'unload');
      }
    },
  },
];
