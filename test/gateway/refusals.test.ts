// What is refused before it becomes a ticket is counted and logged like what is served. Never with its body or its query.
import assert from 'node:assert/strict';
import test from 'node:test';
import { pino } from 'pino';
import { withRig } from './rig.ts';

const refused = [
  { path: '/api/chat?secret=1', body: '{', code: 400, error: 'bad_json' },
  { path: '/api/chat', body: '{}', code: 400, error: 'missing_model' },
  { path: '/v1/messages', body: '{"model":"nowhere","messages":[]}', code: 404, error: 'model_not_found' },
  { path: '/api/nothing', body: '{}', code: 404, error: 'unknown_path' },
] as const;

test('every refusal is counted and has a line in the log', async () => {
  const lines: string[] = [];
  const log = pino({ base: null }, { write: line => lines.push(line) });
  await withRig({ log }, async rig => {
    for (const { path, body, code, error } of refused) {
      assert.equal((await rig.post(path, body)).status, code);
      assert.equal(await rig.metric('bigo_request_errors_total', `error="${error}"`), 1);
    }
    assert.equal(await rig.metric('bigo_requests_total', 'route="chat",code="400"'), 2);
    assert.equal(await rig.metric('bigo_requests_total', 'route="v1_messages",code="404"'), 1);
    assert.equal((await rig.get('/v1/models/nowhere')).status, 404);
    assert.equal(await rig.metric('bigo_request_errors_total', 'error="model_not_found"'), 2);
  });
  const said = lines.map(line => JSON.parse(line) as { msg: string; path: string; error: string });
  assert.deepEqual(
    said.filter(line => line.msg === 'refused').map(line => `${line.path} ${line.error}`),
    [
      '/api/chat bad_json',
      '/api/chat missing_model',
      '/v1/messages model_not_found',
      '/api/nothing unknown_path',
      '/v1/models/nowhere model_not_found',
    ],
  );
});

test('a wrong method on the admin port is told which ones there are', () =>
  withRig({}, async rig => {
    const metrics = await rig.admin('/metrics', { method: 'POST' });
    assert.deepEqual([metrics.status, metrics.headers.allow], [405, 'GET, HEAD']);
    const drain = await rig.admin('/bigo/v1/backends/b0/drain', { method: 'PUT' });
    assert.deepEqual([drain.status, drain.headers.allow], [405, 'GET, HEAD, POST, DELETE']);
  }));
