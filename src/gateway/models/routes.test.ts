// Which stores a change of models is asked of, through a whole gateway. Never a backend outside loopback.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asked, closers, fake, linesOf, namesAt, post, rig } from '../../../test/gateway/model-stores.ts';
import { startRig } from './rig.ts';

test('backends of one store are asked once, through one of them', async () => {
  const a = await fake();
  const started = await startRig({
    backends: [
      { name: 'x', url: a.url, store: 's' },
      { name: 'y', url: a.url, store: 's' },
    ],
  });
  closers.push(() => started.stop());
  await linesOf(await post(started, '/api/pull', { model: 'new' }));
  assert.equal(asked(a, '/api/pull'), 1);
});

test('placement decides who gets a model', async () => {
  const [a, b] = [await fake(), await fake()];
  const gate = await rig({ a, b }, { placement: key => (key === 'new:latest' ? ['b'] : undefined) });
  await linesOf(await post(gate, '/api/pull', { model: 'new' }));
  assert.deepEqual([await namesAt(a), await namesAt(b)], [[], ['new:latest']]);
});

test('a push goes to one holder', async () => {
  const [a, b] = [await fake(), await fake({ models: [{ name: 'm' }] })];
  const gate = await rig({ a, b });
  const lines = await linesOf(await post(gate, '/api/push', { model: 'm' }));
  assert.deepEqual([lines[0]?.status, lines.at(-1)?.status], ['retrieving manifest', 'success']);
  assert.deepEqual([asked(a, '/api/push'), asked(b, '/api/push')], [0, 1]);
  const none = await post(gate, '/api/push', { model: 'nowhere' });
  assert.equal(none.status, 404);
});

test('bad names and bodies are refused before any store is asked', async () => {
  const a = await fake();
  const gate = await rig({ a });
  const bad: readonly (readonly [string, unknown])[] = [
    ['/api/pull', { model: '../../etc/passwd:x/y' }],
    ['/api/pull', {}],
    ['/api/create', { model: '', from: 'x' }],
    ['/api/copy', { source: 'a' }],
    ['/api/copy', { source: 'a', destination: 'b c' }],
    ['/api/push', { model: 'a:b:c/d' }],
  ];
  for (const [path, body] of bad) {
    const answer = await post(gate, path, body);
    assert.equal(answer.status, 400, `${path} ${JSON.stringify(body)}: ${await answer.text()}`);
  }
  const asks = a.state().seen.filter(({ method, url }) => method !== 'GET' && url !== '/api/show');
  assert.deepEqual(asks, []);
});
