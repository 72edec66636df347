// The engine answers as the API says, with a tiny random model: options, limits, structure, unload. Never judges text.
import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { skipUnless } from '../tools/parts.ts';
import { digestOf, tinyGguf } from '../tools/tiny-gguf.ts';
import { until } from '../tools/until.ts';
import { json, lines, openStream, startTestEngine } from './harness.ts';

const skip = await skipUnless('llama');
const few = { num_predict: 12, temperature: 0, seed: 1 };

describe('embedded engine: answers', { skip }, () => {
  test('a model trained for a short context loads with the default options', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny', tinyGguf({ contextLength: 512 }));
    const answer = await json(
      engine.post('/api/chat', {
        model: 'tiny',
        messages: [{ role: 'user', content: 'hi' }],
        stream: false,
        options: few,
      }),
    );
    assert.equal(answer['done_reason'], 'length');
    assert.equal(answer['eval_count'], few.num_predict);
    assert.deepEqual(
      (await engine.loaded()).map(model => model.context_length),
      [512],
    );
  });

  test('the same seed gives the same text, streamed and whole', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const ask = {
      model: 'tiny',
      prompt: 'abc',
      raw: true,
      options: { num_predict: 30, temperature: 1, seed: 42 },
    };
    const streamed = await lines(await engine.post('/api/generate', ask));
    const whole = await json(engine.post('/api/generate', { ...ask, stream: false }));
    assert.equal(streamed.map(line => line['response']).join(''), whole['response']);
    assert.equal(streamed.at(-1)?.['done'], true);
    assert.equal(streamed.filter(line => line['done']).length, 1);
  });

  test('an answer ends before a stop text and never shows part of it', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const ask = {
      model: 'tiny',
      prompt: 'abc',
      raw: true,
      stream: false,
      options: { num_predict: 40, temperature: 1, seed: 3 },
    };
    const free = String((await json(engine.post('/api/generate', ask)))['response']);
    const stop = free.slice(10, 13);
    const stopped = await json(
      engine.post('/api/generate', { ...ask, options: { ...ask.options, stop: [stop] } }),
    );
    assert.equal(stopped['response'], free.slice(0, free.indexOf(stop)));
    assert.equal(stopped['done_reason'], 'stop');
  });

  test('even a random model can write nothing but what the JSON schema allows', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const format = {
      type: 'object',
      properties: {
        kind: { enum: ['a', 'b'] },
        on: { type: 'boolean' },
        list: { type: 'array', items: { type: 'integer' }, maxItems: 2 },
      },
      required: ['kind', 'on', 'list'],
    };
    for (const seed of [1, 2, 3]) {
      const options = { num_predict: 300, temperature: 1, seed };
      const answer = await json(
        engine.post('/api/generate', {
          model: 'tiny',
          prompt: 'x',
          raw: true,
          stream: false,
          format,
          options,
        }),
      );
      const value = JSON.parse(String(answer['response'])) as { kind: string; on: boolean; list: number[] };
      assert.ok(['a', 'b'].includes(value.kind) && typeof value.on === 'boolean' && value.list.length <= 2);
      assert.equal(answer['done_reason'], 'stop');
    }
  });

  test('log probabilities come with every token, the best alternatives first', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const ask = {
      model: 'tiny',
      prompt: 'abc',
      raw: true,
      stream: false,
      logprobs: true,
      top_logprobs: 3,
      options: few,
    };
    const logprobs = (await json(engine.post('/api/generate', ask)))['logprobs'] as {
      logprob: number;
      top_logprobs: { logprob: number }[];
    }[];
    assert.equal(logprobs.length, few.num_predict);
    for (const { logprob, top_logprobs: top } of logprobs) {
      assert.ok(logprob <= 0 && top.length === 3);
      assert.deepEqual(
        top.map(other => other.logprob),
        top.map(other => other.logprob).toSorted((a, b) => b - a),
      );
    }
  });

  test('a prompt over the context is cut, or refused when it must not be', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny', tinyGguf({ contextLength: 256 }));
    const ask = { model: 'tiny', prompt: 'a'.repeat(2_000), raw: true, stream: false, options: few };
    assert.equal((await json(engine.post('/api/generate', ask)))['prompt_eval_count'], 256);
    const refused = await engine.post('/api/generate', { ...ask, truncate: false });
    assert.equal(refused.status, 400);
    assert.deepEqual(await json(refused), { error: 'the input length exceeds the context length' });
  });

  test('an answer may grow past the context, unless shifting is refused', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny', tinyGguf({ contextLength: 256 }));
    const options = { num_predict: 400, temperature: 1, seed: 5, num_ctx: 256 };
    const ask = { model: 'tiny', prompt: 'abc', raw: true, stream: false, options };
    assert.equal((await json(engine.post('/api/generate', ask)))['eval_count'], 400);
    const short = await json(engine.post('/api/generate', { ...ask, shift: false }));
    assert.equal(short['done_reason'], 'length');
    assert.ok(Number(short['eval_count']) + Number(short['prompt_eval_count']) <= 256);
  });

  test('a model without a chat template is refused for chat and serves raw prompts', async t => {
    const engine = await startTestEngine(t);
    const bare = Buffer.from(tinyGguf());
    bare.write('tokenizer.chat_templatX', bare.indexOf('tokenizer.chat_template'));
    await engine.add('bare', bare);
    const refused = await engine.post('/api/chat', {
      model: 'bare',
      messages: [{ role: 'user', content: 'hi' }],
    });
    assert.equal(refused.status, 400);
    assert.match(String((await json(refused))['error']), /has no chat template/);
    const answer = await json(
      engine.post('/api/generate', { model: 'bare', prompt: 'hi', raw: true, stream: false, options: few }),
    );
    assert.equal(answer['eval_count'], few.num_predict);
  });

  test('weights that are cut short are a clear error, and the engine goes on', async t => {
    const engine = await startTestEngine(t);
    const gguf = tinyGguf({ name: 'cut' });
    await engine.add('cut', gguf);
    await engine.add('tiny');
    await truncate(join(engine.store, 'blobs', digestOf(gguf).replace(':', '-')), 200_000);
    const failed = await engine.post('/api/generate', { model: 'cut', prompt: 'a' });
    assert.equal(failed.status, 500);
    assert.match(
      String((await json(failed))['error']),
      /unable to load model: its file has 200000 of \d+ bytes; delete the model and pull/,
    );
    assert.equal(
      (await engine.post('/api/generate', { model: 'tiny', prompt: 'a', raw: true, options: few })).status,
      200,
    );
  });

  test('weights that llama.cpp refuses are an error, and the engine still closes', async t => {
    const engine = await startTestEngine(t);
    const gguf = tinyGguf({ name: 'odd' });
    gguf.write('output_norm.weighX', gguf.indexOf('output_norm.weight'));
    await engine.add('odd', gguf);
    const failed = await engine.post('/api/generate', { model: 'odd', prompt: 'a' });
    assert.equal(failed.status, 500);
    assert.match(String((await json(failed))['error']), /unable to load model/);
    collectGarbage(); // only then does node-llama-cpp wait for what it has forgotten
    await engine.close();
  });

  test('keep_alive 0 unloads, and a short keep_alive ends by itself', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    assert.equal((await json(engine.post('/api/generate', { model: 'tiny' })))['done_reason'], 'load');
    assert.equal((await engine.loaded()).length, 1);
    assert.equal(
      (await json(engine.post('/api/generate', { model: 'tiny', keep_alive: 0 })))['done_reason'],
      'unload',
    );
    await until('unloaded', async () => (await engine.loaded()).length === 0);
    await engine.post('/api/generate', { model: 'tiny', keep_alive: '100ms' });
    await until('expired', async () => (await engine.loaded()).length === 0);
    await engine.post('/api/generate', { model: 'tiny', keep_alive: -1 });
    assert.match((await engine.loaded())[0]?.expires_at ?? '', /^2[3-9]\d\d-/);
  });

  test('another num_ctx reloads the model; one place in memory means one model', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny', tinyGguf({ contextLength: 1024 }));
    await engine.add('other');
    await engine.post('/api/generate', { model: 'tiny', options: { num_ctx: 512 } });
    assert.deepEqual(
      (await engine.loaded()).map(model => model.context_length),
      [512],
    );
    await engine.post('/api/generate', { model: 'tiny', options: { num_ctx: 768 } });
    assert.deepEqual(
      (await engine.loaded()).map(model => model.context_length),
      [768],
    );
    await engine.post('/api/generate', { model: 'other' });
    assert.deepEqual(
      (await engine.loaded()).map(model => model.name),
      ['other:latest'],
    );
  });

  test('a model in use is not evicted: the other one waits until its stream has ended', async t => {
    const engine = await startTestEngine(t);
    await engine.add('first');
    await engine.add('second');
    const stream = await openStream(engine, { model: 'first', options: { ...few, num_predict: 300 } });
    const second = engine.post('/api/generate', {
      model: 'second',
      prompt: 'a',
      raw: true,
      stream: false,
      options: few,
    });
    assert.equal((await stream.last())['done'], true);
    assert.equal((await json(second))['done'], true);
    assert.deepEqual(
      (await engine.loaded()).map(model => model.name),
      ['second:latest'],
    );
  });

  test('embeddings have length one, and their dimensions can be cut', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const answer = await json(
      engine.post('/api/embed', { model: 'tiny', input: ['a', 'bcd'], dimensions: 8 }),
    );
    const vectors = answer['embeddings'] as number[][];
    assert.deepEqual(
      vectors.map(vector => vector.length),
      [8, 8],
    );
    for (const vector of vectors) assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  });

  test('a long chat loses its oldest messages, never its system text or its last message', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny', tinyGguf({ contextLength: 512 }));
    const many = Array.from({ length: 60 }, (_, at) => ({ role: 'user', content: `message ${at}` }));
    const messages = [{ role: 'system', content: 'RULES' }, ...many];
    const rendered = await json(
      engine.post('/api/chat', { model: 'tiny', messages, _debug_render_only: true }),
    );
    const text = (rendered['_debug_info'] as { rendered_template: string }).rendered_template;
    assert.ok(text.includes('RULES') && text.includes('message 59') && !text.includes('message 0<'));
    const answer = await json(
      engine.post('/api/chat', { model: 'tiny', messages, stream: false, options: few }),
    );
    assert.ok(Number(answer['prompt_eval_count']) <= 512);
  });

  test('a template that knows tools and thinking decides that the model has them', async t => {
    const engine = await startTestEngine(t);
    const template =
      "{{ tools | tojson }}{% for m in messages %}{{ m['content'] }}{% endfor %}<tool_call></think>";
    await engine.add('able', withTemplate(tinyGguf(), template));
    const shown = await json(engine.post('/api/show', { model: 'able' }));
    assert.deepEqual(shown['capabilities'], ['completion', 'tools', 'thinking']);
    const tools = [
      { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } },
    ];
    const ask = { model: 'able', messages: [{ role: 'user', content: 'hi' }], tools };
    const rendered = await json(engine.post('/api/chat', { ...ask, _debug_render_only: true }));
    assert.match(JSON.stringify(rendered['_debug_info']), /look.*hi/);
    const answer = await engine.post('/api/chat', { ...ask, think: true, stream: false, options: few });
    assert.equal(answer.status, 200);
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** The same file with another chat template, padded with spaces to the length of its own. */
function withTemplate(gguf: Buffer, template: string): Buffer {
  const changed = Buffer.from(gguf);
  const at = changed.indexOf('tokenizer.chat_template') + 'tokenizer.chat_template'.length + 4;
  const length = Number(changed.readBigUInt64LE(at));
  changed.write(template.padEnd(length), at + 8);
  return changed;
}
