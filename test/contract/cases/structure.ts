// Contract: structured output, tools, thinking, images, log probabilities.
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import { ask, assertError, field, linesOf, messageOf, post, small, textAt } from '../target.ts';
import type { Case, Json } from '../target.ts';
import { THINKER } from '../implementations.ts';

const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather of a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const hello = [{ role: 'user', content: 'What is the weather in Paris?' }];
const noTools = { ollama: 'SmolLM2 has no tool template', engine: 'SmolLM2 has no tool template' };
const noThinking = { ollama: 'SmolLM2 does not think', engine: 'SmolLM2 does not think' };
/** 1 × 1 pixel. */
const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const STRUCTURE: readonly Case[] = [
  {
    name: 'a JSON schema is followed',
    run: async target => {
      const options = { ...small, num_predict: 16 };
      const whole = await ask(target, '/api/chat', {
        model: target.model,
        messages: hello,
        format: schema,
        stream: false,
        options,
      });
      const value = JSON.parse(textAt(whole, 'message', 'content')) as Json;
      assert.equal(typeof value['ok'], 'boolean');
    },
  },
  {
    name: 'format json begins a JSON value',
    run: async target => {
      const prompt = 'Answer as JSON: {"ok": true}';
      const whole = await ask(target, '/api/generate', {
        model: target.model,
        prompt,
        format: 'json',
        stream: false,
        options: small,
      });
      assert.match(textAt(whole, 'response'), /^\s*[{[]/);
      if (whole['done_reason'] === 'stop') JSON.parse(textAt(whole, 'response'));
    },
  },
  {
    name: 'tools are refused for a model that cannot call them',
    run: async target => {
      const answer = await post(target, '/api/chat', {
        model: target.model,
        messages: hello,
        tools,
        options: small,
      });
      assertError(answer, 400, /does not support tools/);
    },
  },
  {
    name: 'a model with tools calls one, streamed and whole',
    skip: noTools,
    run: async target => {
      const request = { model: THINKER, messages: hello, tools, think: false, options: small };
      const client = new Ollama({ host: target.url });
      const whole = await client.chat({ ...request });
      assert.equal(whole.message.tool_calls?.[0]?.function.name, 'weather');
      assert.equal(typeof whole.message.tool_calls?.[0]?.function.arguments['city'], 'string');
      const lines = linesOf((await post(target, '/api/chat', request)).text);
      const calls = lines.flatMap(line => (field(line, 'message', 'tool_calls') as Json[] | undefined) ?? []);
      assert.equal(textAt(calls[0], 'function', 'name'), 'weather');
    },
  },
  {
    name: 'thinking is refused for a model that cannot',
    run: async target => {
      const answer = await post(target, '/api/chat', {
        model: target.model,
        messages: hello,
        think: true,
        options: small,
      });
      assertError(answer, 400, /does not support thinking/);
    },
  },
  {
    name: 'a model that thinks does so apart from its answer, unless told not to',
    skip: noThinking,
    run: async target => {
      const request = {
        model: THINKER,
        messages: hello,
        stream: false,
        options: { ...small, num_predict: 16 },
      };
      const thought = await ask(target, '/api/chat', { ...request, think: true });
      assert.ok(textAt(thought, 'message', 'thinking').length > 0);
      assert.ok(textAt(thought, 'message', 'content').length > 0);
      const plain = await ask(target, '/api/chat', { ...request, think: false });
      assert.equal(field(plain, 'message', 'thinking'), undefined);
    },
  },
  {
    name: 'an image to a model that cannot see is ignored or refused clearly, never a crash',
    run: async target => {
      const messages = [{ role: 'user', content: 'What is this?', images: [png] }];
      const answer = await post(target, '/api/chat', {
        model: target.model,
        messages,
        stream: false,
        options: small,
      });
      if (answer.status === 200) textAt(JSON.parse(answer.text), 'message', 'content');
      else {
        assert.equal(answer.status, 400);
        assert.match(messageOf(answer.text), /image/i);
      }
      textAt(
        await ask(target, '/api/generate', {
          model: target.model,
          prompt: 'Still there?',
          stream: false,
          options: small,
        }),
        'response',
      );
    },
  },
  {
    name: 'log probabilities come with each token',
    run: async target => {
      const request = {
        model: target.model,
        messages: hello,
        logprobs: true,
        top_logprobs: 2,
        stream: false,
        options: small,
      };
      const probabilities = field(await ask(target, '/api/chat', request), 'logprobs') as Json[];
      assert.ok(probabilities.length > 0);
      for (const each of probabilities) {
        assert.ok(Number(each['logprob']) <= 0);
        textAt(each, 'token');
        assert.equal((each['top_logprobs'] as unknown[]).length, 2);
      }
    },
  },
  {
    name: 'more than 20 top_logprobs are refused',
    run: async target => {
      const answer = await post(target, '/api/chat', {
        model: target.model,
        messages: hello,
        top_logprobs: 21,
      });
      assertError(answer, 400, /top_logprobs/);
    },
  },
];
