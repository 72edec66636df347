// Contract: /api/generate, streamed and whole.
import assert from 'node:assert/strict';
import { ask, askLines, assertError, field, linesOf, post, small, textAt } from '../target.ts';
import type { Case, Json } from '../target.ts';

/** Whole numbers of nanoseconds that fit into each other. */
export function assertTimes(last: Json): void {
  for (const name of [
    'total_duration',
    'prompt_eval_duration',
    'eval_duration',
    'prompt_eval_count',
    'eval_count',
  ]) {
    assert.ok(Number.isInteger(last[name]), `${name} is a whole number: ${String(last[name])}`);
  }
  const totalNs = Number(last['total_duration']);
  assert.ok(totalNs > 100_000, `total_duration is in nanoseconds: ${totalNs}`);
  assert.ok(totalNs >= Number(last['load_duration'] ?? 0), 'the total includes the load');
  assert.ok(Number(last['prompt_eval_count']) > 0);
}

export const GENERATE: readonly Case[] = [
  {
    name: 'generate streams lines, the last one done with its reason and times',
    run: async target => {
      const answer = await post(target, '/api/generate', {
        model: target.model,
        prompt: 'Say hi.',
        options: small,
      });
      assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
      const lines = linesOf(answer.text);
      for (const line of lines) {
        assert.equal(line['model'], target.model);
        assert.ok(!Number.isNaN(Date.parse(textAt(line, 'created_at'))));
        textAt(line, 'response');
      }
      assert.deepEqual([...new Set(lines.slice(0, -1).map(line => line['done']))], [false]);
      const last = lines.at(-1) ?? {};
      assert.equal(last['done'], true);
      assert.match(textAt(last, 'done_reason'), /^(stop|length)$/);
      assertTimes(last);
    },
  },
  {
    name: 'generate without streaming is one JSON value with the same text',
    run: async target => {
      const request = { model: target.model, prompt: 'Say hi.', options: small };
      const lines = await askLines(target, '/api/generate', request);
      const whole = await ask(target, '/api/generate', { ...request, stream: false });
      assert.equal(whole['response'], lines.map(line => textAt(line, 'response')).join(''));
      assert.equal(whole['done'], true);
      assertTimes(whole);
    },
  },
  {
    name: 'temperature 0 repeats itself, and so does a seed',
    run: async target => {
      for (const options of [
        { num_predict: 8, temperature: 0 },
        { num_predict: 8, seed: 42 },
      ]) {
        const request = { model: target.model, prompt: 'Tell a tale.', stream: false, options };
        const first = await ask(target, '/api/generate', request);
        const second = await ask(target, '/api/generate', request);
        assert.equal(first['response'], second['response']);
      }
    },
  },
  {
    name: 'num_predict ends the answer with the reason length',
    run: async target => {
      const options = { ...small, num_predict: 3 };
      const prompt = 'Count from one to fifty.';
      const whole = await ask(target, '/api/generate', {
        model: target.model,
        prompt,
        stream: false,
        options,
      });
      assert.equal(whole['done_reason'], 'length');
      assert.equal(whole['eval_count'], 3);
    },
  },
  {
    name: 'a stop text ends the answer before it',
    run: async target => {
      const request = { model: target.model, prompt: 'Describe the sea.', stream: false };
      const full = textAt(
        await ask(target, '/api/generate', { ...request, options: { ...small, num_predict: 12 } }),
        'response',
      );
      const stop = full.trim().split(/\s+/)[2] ?? '';
      assert.ok(stop.length > 0, `the answer has three words: ${full}`);
      const cut = await ask(target, '/api/generate', {
        ...request,
        options: { ...small, num_predict: 12, stop: [stop] },
      });
      assert.equal(cut['done_reason'], 'stop');
      assert.ok(!textAt(cut, 'response').includes(stop));
      assert.ok(full.startsWith(textAt(cut, 'response').trimEnd()));
    },
  },
  {
    name: 'generate returns the context of the conversation',
    run: async target => {
      const whole = await ask(target, '/api/generate', {
        model: target.model,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
      const context = field(whole, 'context') as unknown[];
      assert.ok(context.length > 0 && context.every(Number.isInteger));
    },
  },
  {
    name: 'a system text, a raw prompt and a suffix-free template are taken',
    run: async target => {
      const request = { model: target.model, prompt: 'Hi.', stream: false, options: small };
      textAt(await ask(target, '/api/generate', { ...request, system: 'Be brief.' }), 'response');
      textAt(await ask(target, '/api/generate', { ...request, raw: true }), 'response');
    },
  },
  {
    name: 'raw with a system text is refused',
    run: async target => {
      const answer = await post(target, '/api/generate', {
        model: target.model,
        prompt: 'x',
        raw: true,
        system: 's',
      });
      assertError(answer, 400, /raw mode/);
    },
  },
  {
    name: 'text of any script goes through whole',
    run: async target => {
      const prompt = 'Grüße aus 東京 🙂 — «ça va?» \u0000 \u2028 \\ " </script>';
      const lines = await askLines(target, '/api/generate', { model: target.model, prompt, options: small });
      assert.equal(lines.at(-1)?.['done'], true);
      assert.ok(!lines.some(line => textAt(line, 'response').includes('\uFFFD') && target.kind === 'fake'));
    },
  },
  {
    name: 'a long prompt is read whole',
    run: async target => {
      const prompt = 'The quick brown fox jumps over the lazy dog. '.repeat(40);
      const whole = await ask(target, '/api/generate', {
        model: target.model,
        prompt,
        stream: false,
        options: { ...small, num_predict: 2 },
      });
      assert.ok(Number(whole['prompt_eval_count']) > 200, String(whole['prompt_eval_count']));
    },
  },
];
