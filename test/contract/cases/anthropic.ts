// Contract: /v1/messages, by Anthropic's own client and by exact events.
import assert from 'node:assert/strict';
import Anthropic, { BadRequestError, NotFoundError } from '@anthropic-ai/sdk';
import { askEvents, assertError, field, post, send, textAt } from '../target.ts';
import type { Case, Json, Target } from '../target.ts';
import { THINKER } from '../implementations.ts';

const client = (target: Target): Anthropic =>
  new Anthropic({ baseURL: target.url, apiKey: 'none', maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'Say hello.' }];
const few = { max_tokens: 8, temperature: 0 };

function textOf(message: Anthropic.Message): string {
  return message.content.map(block => (block.type === 'text' ? block.text : '')).join('');
}

export const ANTHROPIC: readonly Case[] = [
  {
    name: 'a message whole',
    run: async target => {
      const answer = await client(target).messages.create({ model: target.model, messages, ...few });
      assert.equal(answer.type, 'message');
      assert.equal(answer.role, 'assistant');
      assert.ok(textOf(answer).length > 0);
      assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    },
  },
  {
    name: 'a message streamed says the same as whole',
    run: async target => {
      const request = { model: target.model, messages, ...few };
      const whole = await client(target).messages.create(request);
      const streamed = await client(target).messages.stream(request).finalMessage();
      assert.equal(textOf(streamed), textOf(whole));
      assert.equal(streamed.stop_reason, whole.stop_reason);
    },
  },
  {
    name: 'events come in Anthropic’s order and end with message_stop',
    run: async target => {
      const events = await askEvents(target, '/v1/messages', {
        model: target.model,
        messages,
        ...few,
        stream: true,
      });
      const names = events.map(each => each.event);
      assert.equal(names[0], 'message_start');
      assert.deepEqual(names.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
      for (const { event, data } of events) assert.equal(textAt(JSON.parse(data), 'type'), event);
    },
  },
  {
    name: 'the query ?beta=true, content blocks and a system text are taken',
    run: async target => {
      const blocks = [{ role: 'user', content: [{ type: 'text', text: 'Say hello.' }] }];
      const body = {
        model: target.model,
        messages: blocks,
        system: [{ type: 'text', text: 'Be brief.' }],
        ...few,
      };
      const answer = await post(target, '/v1/messages?beta=true', body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(textAt(JSON.parse(answer.text), 'type'), 'message');
    },
  },
  {
    name: 'max_tokens ends with stop_reason max_tokens',
    run: async target => {
      const answer = await client(target).messages.create({
        model: target.model,
        messages,
        ...few,
        max_tokens: 2,
      });
      assert.equal(answer.stop_reason, 'max_tokens');
      assert.equal(answer.usage.output_tokens, 2);
    },
  },
  {
    name: 'errors have Anthropic’s shape and types',
    run: async target => {
      await assert.rejects(
        client(target).messages.create({ model: 'nope:1b', messages, ...few }),
        NotFoundError,
      );
      const noLimit = {
        model: target.model,
        messages,
      } as unknown as Anthropic.MessageCreateParamsNonStreaming;
      await assert.rejects(client(target).messages.create(noLimit), BadRequestError);
      const answer = await post(target, '/v1/messages', { model: 'nope:1b', messages, ...few });
      const body = JSON.parse(answer.text) as Json;
      assert.equal(body['type'], 'error');
      assert.equal(field(body, 'error', 'type'), 'not_found_error');
      assertError(await post(target, '/v1/messages', '{'), 400, /./);
    },
  },
  {
    name: 'a tool is called with its input',
    skip: { ollama: 'SmolLM2 has no tool template', engine: 'SmolLM2 has no tool template' },
    run: async target => {
      const tools: Anthropic.Tool[] = [
        { name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } },
      ];
      const request = {
        model: THINKER,
        messages,
        tools,
        max_tokens: 16,
        thinking: { type: 'disabled' as const },
      };
      const answer = await client(target).messages.stream(request).finalMessage();
      const use = answer.content.find(block => block.type === 'tool_use');
      assert.equal(use?.name, 'weather');
      assert.equal(answer.stop_reason, 'tool_use');
    },
  },
  {
    name: 'count_tokens counts',
    skip: { direct: 'Ollama has no such route; the gateway adds it' },
    run: async target => {
      const answer = await client(target).messages.countTokens({ model: target.model, messages });
      assert.ok(answer.input_tokens > 0);
    },
  },
  {
    name: 'a wrong method is 405',
    run: async target => {
      const answer = await send(target, 'GET', '/v1/messages');
      assert.equal(answer.status, 405);
      assert.match(answer.headers.get('allow') ?? '', /POST/);
    },
  },
];
