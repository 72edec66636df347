// Contract: vectors, in Ollama's two forms and in OpenAI's.
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { ask, assertError, post } from '../target.ts';
import type { Case, Target } from '../target.ts';

const openai = (target: Target): OpenAI =>
  new OpenAI({ baseURL: `${target.url}/v1`, apiKey: 'none', maxRetries: 0 });
const length = (vector: readonly number[]): number => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-3;

export const EMBEDDINGS: readonly Case[] = [
  {
    name: 'one text gives one vector of length 1, the same each time',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const first = await client.embed({ model: target.model, input: 'the sea' });
      const second = await client.embed({ model: target.model, input: 'the sea' });
      assert.equal(first.embeddings.length, 1);
      assert.ok(near(length(first.embeddings[0] ?? []), 1));
      assert.ok((first.embeddings[0] ?? []).every((x, at) => near(x, second.embeddings[0]?.[at] ?? NaN)));
      assert.ok(Number.isInteger(first.total_duration) && first.prompt_eval_count > 0);
    },
  },
  {
    name: 'several texts give several vectors in their order',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const both = await client.embed({ model: target.model, input: ['the sea', 'a stone'] });
      const alone = await client.embed({ model: target.model, input: 'a stone' });
      assert.equal(both.embeddings.length, 2);
      assert.ok(
        (both.embeddings[1] ?? []).every((x, at) => Math.abs(x - (alone.embeddings[0]?.[at] ?? NaN)) < 0.05),
      );
    },
  },
  {
    name: 'dimensions shorten a vector to length 1 again',
    run: async target => {
      const { embeddings } = (await ask(target, '/api/embed', {
        model: target.model,
        input: 'the sea',
        dimensions: 4,
      })) as { embeddings: number[][] };
      assert.equal(embeddings[0]?.length, 4);
      assert.ok(near(length(embeddings[0]), 1));
    },
  },
  {
    name: 'no text gives no vector',
    run: async target => {
      const answer = await ask(target, '/api/embed', { model: target.model, input: [] });
      assert.deepEqual(answer['embeddings'], []);
    },
  },
  {
    name: 'an input of the wrong type is refused',
    run: async target => {
      assertError(await post(target, '/api/embed', { model: target.model, input: [1, 2] }), 400, /input/);
    },
  },
  {
    name: 'the old route gives one vector',
    run: async target => {
      const client = new Ollama({ host: target.url });
      const { embedding } = await client.embeddings({ model: target.model, prompt: 'the sea' });
      assert.ok(embedding.length > 0 && embedding.every(Number.isFinite));
    },
  },
  {
    name: 'the OpenAI client gets floats and base64 of the same vector',
    run: async target => {
      const request = { model: target.model, input: 'the sea' };
      const floats = await openai(target).embeddings.create({ ...request, encoding_format: 'float' });
      const raw = (await ask(target, '/v1/embeddings', { ...request, encoding_format: 'base64' })) as {
        data: { embedding: string }[];
      };
      const bytes = Buffer.from(raw.data[0]?.embedding ?? '', 'base64');
      assert.equal(bytes.length, 4 * (floats.data[0]?.embedding.length ?? 0));
      assert.ok((floats.data[0]?.embedding ?? []).every((x, at) => near(x, bytes.readFloatLE(4 * at))));
      assert.ok(floats.usage.prompt_tokens > 0);
    },
  },
  {
    name: 'an unknown encoding and an empty input are refused in the OpenAI shape',
    run: async target => {
      const wrong = await post(target, '/v1/embeddings', {
        model: target.model,
        input: 'x',
        encoding_format: 'hex',
      });
      assertError(wrong, 400, /encoding_format/);
      assertError(await post(target, '/v1/embeddings', { model: target.model, input: [] }), 400, /input/);
    },
  },
];
