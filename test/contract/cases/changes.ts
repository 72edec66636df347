// Contract: making, copying and deleting models, blobs, pulls. Each case removes what it made.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Ollama } from 'ollama';
import { startRegistry } from '../../tools/registry.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import { until } from '../../tools/until.ts';
import { ask, askLines, assertError, get, linesOf, post, send, small, textAt } from '../target.ts';
import type { Case, Json, Target } from '../target.ts';

async function listed(target: Target, name: string): Promise<boolean> {
  const { models } = (await get(target, '/api/tags')) as { models: Json[] };
  return models.some(model => model['name'] === name);
}

async function remove(target: Target, name: string): Promise<void> {
  const answer = await send(target, 'DELETE', '/api/delete', { model: name });
  assert.equal(answer.status, 200, answer.text);
  await until(`${name} is gone`, async () => !(await listed(target, name)));
}

/** The fake has a registry in itself; a real puller is given one on loopback. */
async function pullSource(target: Target): Promise<{ name: string; stop: () => Promise<void> }> {
  if (target.kind === 'fake') return { name: 'registered:1b', stop: async () => undefined };
  const registry = await startRegistry();
  await registry.addModel('library/tiny:1', { gguf: tinyGguf({ name: target.prefix }) });
  return { name: `${registry.host}/library/tiny:1`, stop: () => registry.stop() };
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export const CHANGES: readonly Case[] = [
  {
    name: 'a copy is listed, answers, and is deleted',
    run: async target => {
      const name = `${target.prefix}-copy:latest`;
      const client = new Ollama({ host: target.url });
      await client.copy({ source: target.model, destination: name });
      await until('the copy is listed', () => listed(target, name));
      const answer = await ask(target, '/api/generate', {
        model: name,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
      assert.equal(answer['model'], name);
      await remove(target, name);
    },
  },
  {
    name: 'copy and delete of unknown models are 404, of invalid names 400',
    run: async target => {
      assertError(await post(target, '/api/copy', { source: 'nope:1b', destination: 'other' }), 404, /nope/);
      assertError(await send(target, 'DELETE', '/api/delete', { model: 'nope:1b' }), 404, /nope/);
      assertError(await post(target, '/api/copy', { source: target.model, destination: '../x' }), 400, /./);
    },
  },
  {
    name: 'a model made from another keeps its weights and has its own system text and parameters',
    run: async target => {
      const name = `${target.prefix}-made:latest`;
      const request = {
        model: name,
        from: target.model,
        system: 'Be brief.',
        parameters: { num_ctx: 1024, temperature: 0 },
      };
      const lines = await askLines(target, '/api/create', request);
      assert.equal(lines.at(-1)?.['status'], 'success');
      const made = await ask(target, '/api/show', { model: name });
      const base = await ask(target, '/api/show', { model: target.model });
      const blob = /sha256[-:][0-9a-f]{64}/;
      assert.equal(blob.exec(textAt(made, 'modelfile'))?.[0], blob.exec(textAt(base, 'modelfile'))?.[0]);
      assert.match(textAt(made, 'system'), /Be brief/);
      assert.match(textAt(made, 'parameters'), /num_ctx\s+1024/);
      await remove(target, name);
    },
  },
  {
    name: 'create without streaming answers with the last status',
    run: async target => {
      const name = `${target.prefix}-quiet:latest`;
      const answer = await ask(target, '/api/create', { model: name, from: target.model, stream: false });
      assert.equal(answer['status'], 'success');
      await remove(target, name);
    },
  },
  {
    name: 'a blob is uploaded once, found by HEAD, and made into a model',
    run: async target => {
      const gguf = tinyGguf({ name: `${target.prefix}-${randomBytes(4).toString('hex')}` });
      const digest = digestOf(gguf);
      const name = `${target.prefix}-file:latest`;
      assert.equal((await send(target, 'HEAD', `/api/blobs/${digest}`)).status, 404);
      assert.equal((await post(target, `/api/blobs/${digest}`, gguf)).status, 201);
      assert.equal((await send(target, 'HEAD', `/api/blobs/${digest}`)).status, 200);
      assert.equal((await post(target, `/api/blobs/${digest}`, gguf)).status, 200);
      const lines = await askLines(target, '/api/create', {
        model: name,
        files: { 'model.gguf': digest },
        parameters: { num_thread: 1 },
      });
      assert.equal(lines.at(-1)?.['status'], 'success');
      const answer = await ask(target, '/api/generate', {
        model: name,
        prompt: 'Hi.',
        stream: false,
        options: small,
      });
      assert.equal(answer['done'], true);
      await remove(target, name);
    },
  },
  {
    name: 'a blob that is not what its digest says is refused, and so is a digest that is none',
    run: async target => {
      const digest = digestOf(randomBytes(8));
      assertError(await post(target, `/api/blobs/${digest}`, Buffer.from('other bytes')), 400, /digest/);
      assert.equal((await send(target, 'HEAD', `/api/blobs/${digest}`)).status, 404);
      assert.equal((await send(target, 'HEAD', '/api/blobs/sha256:abc')).status, 400);
    },
  },
  {
    name: 'create from nothing, or from a blob that is not there, fails by name',
    run: async target => {
      assertError(
        await post(target, '/api/create', { model: `${target.prefix}-none`, stream: false }),
        400,
        /from|files/,
      );
      const files = { 'model.gguf': digestOf(randomBytes(8)) };
      const answer = await post(target, '/api/create', { model: `${target.prefix}-none`, files });
      const last = answer.status === 200 ? linesOf(answer.text).at(-1) : (JSON.parse(answer.text) as Json);
      assert.ok(textAt(last, 'error').length > 0);
      assert.equal(await listed(target, `${target.prefix}-none:latest`), false);
    },
  },
  {
    name: 'a pull from a registry that does not answer ends with an error',
    run: async target => {
      const request = { model: '127.0.0.1:1/library/x:y', insecure: true };
      const answer = await post(target, '/api/pull', request);
      const last = answer.status === 200 ? linesOf(answer.text).at(-1) : (JSON.parse(answer.text) as Json);
      assert.ok(textAt(last, 'error').length > 0);
      const whole = await post(target, '/api/pull', { ...request, stream: false });
      assert.ok(whole.status >= 500, `status ${whole.status}`);
    },
  },
  {
    name: 'a pull without a name is refused',
    run: async target => {
      assertError(await post(target, '/api/pull', {}), 400, /model/);
    },
  },
  {
    name: 'a pull streams its progress to success',
    run: async target => {
      const source = await pullSource(target);
      const client = new Ollama({ host: target.url });
      const statuses: string[] = [];
      const completed = new Map<string, number>();
      try {
        for await (const part of await client.pull({ model: source.name, insecure: true, stream: true })) {
          statuses.push(part.status);
          if (part.completed === undefined) continue;
          assert.ok(part.completed >= (completed.get(part.digest) ?? 0), 'progress only grows');
          assert.ok(part.completed <= part.total, 'progress ends at the total');
          completed.set(part.digest, part.completed);
        }
      } finally {
        await source.stop();
      }
      assert.equal(statuses.at(-1), 'success');
      assert.ok(completed.size > 0, 'progress was told');
      await until('it is listed', () => listed(target, source.name));
      await remove(target, source.name);
    },
  },
];
