// Contract: the OpenAI routes, by OpenAI's own client and by exact bytes.
import assert from 'node:assert/strict';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { ask, askEvents, assertError, field, post, textAt } from '../target.ts';
import type { Case, Json, Target } from '../target.ts';

const client = (target: Target): OpenAI =>
  new OpenAI({ baseURL: `${target.url}/v1`, apiKey: 'none', maxRetries: 0 });
const messages = [{ role: 'user' as const, content: 'Say hello.' }];
const few = { max_tokens: 8, temperature: 0, seed: 7 };

export const OPENAI: readonly Case[] = [
  {
    name: 'models are listed and retrieved by name',
    run: async target => {
      const list = await client(target).models.list();
      assert.ok(list.data.some(model => model.id === target.model));
      const one = await client(target).models.retrieve(target.model);
      assert.equal(one.id, target.model);
      assert.equal(one.object, 'model');
    },
  },
  {
    name: 'an unknown model is not found, by the client’s own error',
    run: async target => {
      await assert.rejects(client(target).models.retrieve('nope:1b'), NotFoundError);
      await assert.rejects(
        client(target).chat.completions.create({ model: 'nope:1b', messages }),
        NotFoundError,
      );
    },
  },
  {
    name: 'chat completion whole',
    run: async target => {
      const answer = await client(target).chat.completions.create({ model: target.model, messages, ...few });
      assert.equal(answer.object, 'chat.completion');
      assert.equal(answer.choices[0]?.message.role, 'assistant');
      assert.ok((answer.choices[0]?.message.content ?? '').length > 0);
      assert.equal(
        answer.usage?.total_tokens,
        (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0),
      );
    },
  },
  {
    name: 'chat completion streamed says the same as whole, with usage when asked',
    run: async target => {
      const request = { model: target.model, messages, ...few };
      const whole = await client(target).chat.completions.create(request);
      const stream = await client(target).chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let usage: OpenAI.CompletionUsage | null | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        usage = chunk.usage ?? usage;
      }
      assert.equal(text, whole.choices[0]?.message.content);
      assert.equal(usage?.completion_tokens, whole.usage?.completion_tokens);
    },
  },
  {
    name: 'a stream ends with [DONE] and shows no usage that nobody asked for',
    run: async target => {
      const events = await askEvents(target, '/v1/chat/completions', {
        model: target.model,
        messages,
        ...few,
        stream: true,
      });
      assert.equal(events.at(-1)?.data, '[DONE]');
      for (const { data } of events.slice(0, -1)) {
        const chunk = JSON.parse(data) as Json;
        assert.equal(chunk['usage'] ?? null, null);
        assert.equal((chunk['choices'] as unknown[]).length, 1);
        assert.equal(textAt(chunk, 'object'), 'chat.completion.chunk');
      }
    },
  },
  {
    name: 'max_tokens ends with finish_reason length',
    run: async target => {
      const answer = await client(target).chat.completions.create({
        model: target.model,
        messages,
        ...few,
        max_tokens: 2,
      });
      assert.equal(answer.choices[0]?.finish_reason, 'length');
      assert.equal(answer.usage?.completion_tokens, 2);
    },
  },
  {
    name: 'content in parts is taken',
    run: async target => {
      const parts = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Say hello.' }] }];
      const answer = await client(target).chat.completions.create({
        model: target.model,
        messages: parts,
        ...few,
      });
      assert.ok((answer.choices[0]?.message.content ?? '').length > 0);
    },
  },
  {
    name: 'response_format json_schema is followed',
    run: async target => {
      const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
      const answer = await client(target).chat.completions.create({
        model: target.model,
        messages,
        ...few,
        max_tokens: 16,
        response_format: { type: 'json_schema', json_schema: { name: 'ok', schema } },
      });
      const text = answer.choices[0]?.message.content ?? '';
      // A small model may pad with spaces until its tokens are spent; what it said must follow the schema even then.
      assert.match(text, /^\s*\{\s*"ok"\s*:\s*(true|false)/);
      if (answer.choices[0]?.finish_reason === 'stop') JSON.parse(text);
    },
  },
  {
    name: 'completions, streamed and whole',
    run: async target => {
      const request = { model: target.model, prompt: 'Say hi.', ...few };
      const whole = await client(target).completions.create(request);
      assert.equal(whole.object, 'text_completion');
      let text = '';
      for await (const chunk of await client(target).completions.create({ ...request, stream: true })) {
        text += chunk.choices[0]?.text ?? '';
      }
      assert.equal(text, whole.choices[0]?.text);
      const events = await askEvents(target, '/v1/completions', { ...request, stream: true });
      assert.equal(events.at(-1)?.data, '[DONE]');
    },
  },
  {
    name: 'responses whole, by the client',
    run: async target => {
      const answer = await client(target).responses.create({
        model: target.model,
        input: 'Say hello.',
        temperature: 0,
        max_output_tokens: 8,
      });
      assert.equal(answer.object, 'response');
      assert.ok(answer.output_text.length > 0);
      assert.ok((answer.usage?.output_tokens ?? 0) > 0);
    },
  },
  {
    name: 'responses streamed: created first, completed last, the deltas are the text',
    run: async target => {
      const request = {
        model: target.model,
        input: [{ role: 'user', content: 'Say hello.' }],
        temperature: 0,
        max_output_tokens: 8,
        stream: true,
      };
      const events = await askEvents(target, '/v1/responses', request);
      assert.equal(events[0]?.event, 'response.created');
      assert.equal(events.at(-1)?.event, 'response.completed');
      const deltas = events
        .filter(each => each.event === 'response.output_text.delta')
        .map(each => textAt(JSON.parse(each.data), 'delta'));
      const final = field(
        JSON.parse(events.at(-1)?.data ?? '{}'),
        'response',
        'output',
        0,
        'content',
        0,
        'text',
      );
      assert.equal(deltas.join(''), final);
    },
  },
  {
    name: 'no messages, broken JSON and a wrong type are refused in the OpenAI shape',
    run: async target => {
      await assert.rejects(
        client(target).chat.completions.create({ model: target.model, messages: [] }),
        BadRequestError,
      );
      assertError(await post(target, '/v1/chat/completions', '{"model":'), 400, /./);
      assertError(
        await post(target, '/v1/chat/completions', { model: target.model, messages: 'hi' }),
        400,
        /./,
      );
      const unknown = await post(target, '/v1/chat/completions', { model: 'nope:1b', messages });
      const error = field(JSON.parse(unknown.text), 'error') as Json;
      assert.deepEqual(Object.keys(error).toSorted(), ['code', 'message', 'param', 'type']);
      assert.equal(error['type'], 'not_found_error');
    },
  },
  {
    name: 'the answer names the model as it was asked for',
    run: async target => {
      const answer = await ask(target, '/v1/chat/completions', { model: target.model, messages, ...few });
      assert.equal(answer['model'], target.model);
    },
  },
];
