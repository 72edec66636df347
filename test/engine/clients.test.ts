// What the engine does when clients leave, wait or crowd. Every slot comes back exactly once.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipUnless } from '../tools/parts.ts';
import { until } from '../tools/until.ts';
import { json, openStream, startTestEngine } from './harness.ts';
import type { TestEngine } from './harness.ts';

const skip = await skipUnless('llama');
const endless = { num_predict: 100_000, temperature: 1, seed: 1 };
const short = { num_predict: 4, temperature: 0 };

function ask(engine: TestEngine, signal?: AbortSignal): Promise<Response> {
  return engine.post(
    '/api/generate',
    { model: 'tiny', prompt: 'a', raw: true, stream: false, options: short },
    signal,
  );
}

describe('embedded engine: clients', { skip }, () => {
  test('a client who leaves in the middle of a stream frees its slot', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    for (let round = 0; round < 3; round++) {
      const stream = await openStream(engine, { model: 'tiny', options: endless });
      assert.equal(stream.first['done'], false);
      stream.leave();
      assert.equal((await json(ask(engine)))['eval_count'], short.num_predict);
    }
  });

  test('a client who leaves while it waits is never served, and the others are', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const stream = await openStream(engine, { model: 'tiny', options: endless });
    const leaving = new AbortController();
    const left = ask(engine, leaving.signal).catch(() => 'left');
    const stays = ask(engine);
    leaving.abort();
    assert.equal(await left, 'left');
    stream.leave();
    assert.equal((await json(stays))['done'], true);
  });

  test('a model whose clients all left can be unloaded', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const stream = await openStream(engine, { model: 'tiny', options: endless });
    await engine.post('/api/generate', { model: 'tiny', keep_alive: 0 });
    assert.equal((await engine.loaded()).length, 1, 'a model in use stays');
    stream.leave();
    await until('unloaded', async () => (await engine.loaded()).length === 0);
  });

  test('two slots write at once; a third request waits for one of them', async t => {
    const engine = await startTestEngine(t, { slots: 2 });
    await engine.add('tiny');
    const first = await openStream(engine, { model: 'tiny', options: endless });
    const second = await openStream(engine, { model: 'tiny', options: endless });
    const third = ask(engine);
    const early = await Promise.race([
      third.then(() => 'served'),
      fetch(`${engine.url}/api/ps`).then(() => 'waiting'),
    ]);
    assert.equal(early, 'waiting');
    first.leave();
    assert.equal((await json(third))['done'], true);
    second.leave();
  });

  test('many requests at once are all answered', async t => {
    const engine = await startTestEngine(t, { slots: 3 });
    await engine.add('tiny');
    const answers = await Promise.all(Array.from({ length: 30 }, async () => json(ask(engine))));
    assert.deepEqual(new Set(answers.map(answer => answer['eval_count'])), new Set([short.num_predict]));
  });

  test('a client who leaves during a load cancels it only for itself', async t => {
    const engine = await startTestEngine(t);
    await engine.add('tiny');
    const leaving = new AbortController();
    const left = ask(engine, leaving.signal).catch(() => 'left');
    const stays = ask(engine);
    leaving.abort();
    assert.equal(await left, 'left');
    assert.equal((await json(stays))['done'], true);
  });
});
