// Contract: what is refused, and how.
import assert from 'node:assert/strict';
import { assertError, post, send, small } from '../target.ts';
import type { Case } from '../target.ts';

const messages = [{ role: 'user', content: 'x' }];

export const ERRORS: readonly Case[] = [
  {
    name: 'an unknown path is 404',
    run: async target => {
      for (const path of ['/nope', '/api/nope', '/v1/nope', '/debug/pprof/']) {
        assert.equal((await send(target, 'GET', path)).status, 404, path);
      }
    },
  },
  {
    name: 'a wrong method is 405 and names the right one',
    run: async target => {
      for (const path of [
        '/api/chat',
        '/api/generate',
        '/api/embed',
        '/v1/chat/completions',
        '/api/pull',
        '/api/copy',
      ]) {
        const answer = await send(target, 'PUT', path, { model: target.model });
        assert.equal(answer.status, 405, path);
        assert.match(answer.headers.get('allow') ?? '', /POST/, path);
      }
      assert.equal((await send(target, 'POST', '/api/delete', { model: 'x' })).status, 405);
    },
  },
  {
    name: 'no body, broken JSON and JSON that is no object are 400',
    run: async target => {
      for (const path of ['/api/chat', '/api/generate', '/api/embed', '/api/show']) {
        assertError(await send(target, 'POST', path), 400, /./);
        assertError(await post(target, path, '{"model": "a", '), 400, /./);
        assertError(await post(target, path, '[1, 2]'), 400, /./);
        assertError(await post(target, path, 'not json'), 400, /./);
      }
    },
  },
  {
    name: 'values of the wrong type are 400',
    run: async target => {
      assertError(await post(target, '/api/chat', { model: 5, messages }), 400, /model/);
      assertError(await post(target, '/api/chat', { model: target.model, messages: 'hi' }), 400, /messages/);
      assertError(
        await post(target, '/api/generate', { model: target.model, prompt: 'x', stream: 'yes' }),
        400,
        /stream/,
      );
    },
  },
  {
    name: 'an option of the wrong type is refused',
    run: async target => {
      const answer = await post(target, '/api/generate', {
        model: target.model,
        prompt: 'x',
        stream: false,
        options: { num_ctx: 'big' },
      });
      assert.ok(answer.status >= 400, `status ${answer.status}`);
      assert.match(answer.text, /num_ctx/);
    },
  },
  {
    name: 'an unknown model is 404 and named, on every inference route',
    run: async target => {
      const model = 'nope:1b';
      const asks: [string, unknown][] = [
        ['/api/generate', { model, prompt: 'x', options: small }],
        ['/api/chat', { model, messages, options: small }],
        ['/api/embed', { model, input: 'x' }],
        ['/api/embeddings', { model, prompt: 'x' }],
        ['/v1/chat/completions', { model, messages }],
        ['/v1/completions', { model, prompt: 'x' }],
        ['/v1/embeddings', { model, input: 'x' }],
        ['/v1/responses', { model, input: 'x' }],
        ['/v1/messages', { model, messages, max_tokens: 2 }],
      ];
      for (const [path, body] of asks) assertError(await post(target, path, body), 404, /nope/);
    },
  },
  {
    name: 'no model is refused',
    run: async target => {
      const answer = await post(target, '/api/chat', { messages });
      assertError(answer, 400, /model/);
    },
  },
];
