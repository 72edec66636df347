// Contract: several requests at once, and clients that leave.
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import { ask, post, small, linesOf, textAt } from '../target.ts';
import type { Case, Target } from '../target.ts';

const goneMsMax = 15_000;

/** Reads the first chunk of a long answer, then hangs up. */
async function leaveAfterFirstChunk(target: Target): Promise<void> {
  const leave = new AbortController();
  const response = await fetch(`${target.url}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({
      model: target.model,
      prompt: 'Write a long story.',
      options: { num_predict: 2000, seed: 3 },
    }),
    signal: leave.signal,
  });
  const reader = response.body?.getReader();
  assert.ok(reader !== undefined);
  await reader.read();
  leave.abort();
  await reader.read().catch(() => undefined);
}

export const CONCURRENCY: readonly Case[] = [
  {
    name: 'a client that leaves frees its place for the next',
    run: async target => {
      for (let times = 0; times < 3; times++) await leaveAfterFirstChunk(target);
      const startMs = Date.now();
      await ask(target, '/api/generate', {
        model: target.model,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
      assert.ok(Date.now() - startMs < goneMsMax, 'the next answer does not wait for 2000 tokens');
    },
  },
  {
    name: 'the ollama client aborts its stream',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const request = {
        model: target.model,
        prompt: 'Write a long story.',
        stream: true as const,
        options: { num_predict: 2000 },
      };
      const stream = await client.generate(request);
      await assert.rejects(async () => {
        for await (const part of stream) {
          assert.equal(part.done, false);
          stream.abort();
        }
      }, /abort/i);
      await ask(target, '/api/generate', {
        model: target.model,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
    },
  },
  {
    name: 'requests at once are all answered, each with its own words',
    run: async target => {
      const prompts = ['Red.', 'Green.', 'Blue.', 'Black.'];
      const request = (prompt: string): unknown => ({ model: target.model, prompt, options: small });
      const alone: string[] = [];
      for (const prompt of prompts)
        alone.push(wordsOf((await post(target, '/api/generate', request(prompt))).text));
      const together = await Promise.all(
        prompts.map(prompt => post(target, '/api/generate', request(prompt))),
      );
      for (const answer of together) assert.equal(answer.status, 200);
      const words = together.map(answer => wordsOf(answer.text));
      if (target.kind === 'fake') assert.deepEqual(words, alone);
      else assert.ok(words.every(text => text.length > 0));
    },
  },
  {
    name: 'two dialects at once',
    run: async target => {
      const messages = [{ role: 'user', content: 'Hi.' }];
      const answers = await Promise.all([
        post(target, '/api/chat', { model: target.model, messages, options: small }),
        post(target, '/v1/chat/completions', { model: target.model, messages, max_tokens: 4, stream: true }),
        post(target, '/v1/messages', { model: target.model, messages, max_tokens: 4, stream: true }),
      ]);
      assert.deepEqual(
        answers.map(answer => answer.status),
        [200, 200, 200],
      );
      assert.match(answers[0]?.text ?? '', /"done":true/);
      assert.match(answers[1]?.text ?? '', /data: \[DONE\]\n\n$/);
      assert.match(answers[2]?.text ?? '', /event: message_stop/);
    },
  },
];

function wordsOf(text: string): string {
  return linesOf(text)
    .map(line => textAt(line, 'response'))
    .join('');
}
