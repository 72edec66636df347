// A manager that is killed in the middle of a pull, and event streams that are cut: what is known afterwards.
// Never counts a pull that nobody saw to its end.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { aHome, type Running } from '../cli/bigo.ts';
import { untilSeen } from '../tools/until.ts';
import { aGateway, aManager } from './rig.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Body = any;

async function json(url: string, method = 'GET', body?: object): Promise<Body> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return response.json();
}

test('a pull whose manager was killed is told as interrupted, and can be begun again', async t => {
  const { gateway } = await aGateway(t, { fake: { registry: [{ name: 'slow:1' }], pullMs: 8_000 } });
  const home = aHome(t);
  const named = ['--gateway', `${gateway.url},admin=${gateway.adminUrl},name=g`];
  const data = ['--data', path.join(home.dir, 'usage.sqlite')];
  const start = (): Running => home.start(['manager', '--listen', '127.0.0.1:0', ...named, ...data]);
  const first = start();
  const { url } = await first.ready();
  const { id } = await json(`${url}/api/ollama/pull`, 'POST', { model: 'slow:1' });
  await untilSeen(
    'the pull',
    () => json(`${url}/api/ollama/pull/progress/slow:1`),
    ({ status }) => status === 'running',
  );
  await first.kill();

  const second = await start().ready();
  const progress = `${second.url}/api/ollama/pull/progress`;
  const [left] = (await json(`${progress}?id=${id}`)).pulls;
  assert.equal(left.status, 'interrupted');
  assert.match(left.error, /Pull again: it goes on from where it was/);
  const again = await json(`${second.url}/api/ollama/pull`, 'POST', { model: 'slow:1' });
  assert.deepEqual([again.already, again.id === id], [false, false]);
  await untilSeen(
    'its end',
    () => json(`${progress}/slow:1`),
    ({ status }) => status === 'success',
  );
  const usage = await untilSeen(
    'the count',
    async () => (await json(`${second.url}/api/usage`)).models['slow:1'],
    counters => counters !== undefined,
  );
  assert.equal(usage.pulls, 1);
});

/** Reads events until one fits, then hangs up. */
async function eventsUntil(url: string, fits: (name: string, data: Body) => boolean): Promise<string[]> {
  const response = await fetch(`${url}/api/events`);
  const names: string[] = [];
  let rest = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    const events = (rest + Buffer.from(chunk).toString()).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
      if (name === undefined || data === undefined) continue;
      names.push(name);
      if (!fits(name, JSON.parse(data))) continue;
      return names;
    }
  }
  return assert.fail(`the events ended: ${names.join(' ')}`);
}

test('whoever comes back after a cut has everything again: gateways, fleet, pulls, requests', async t => {
  const { url, gateway, stopGateway } = await aManager(t);
  const hasFleet = (name: string, data: Body): boolean => name === 'fleet' && data.fleet !== null;
  await eventsUntil(url, hasFleet);
  const ask = { method: 'POST', body: JSON.stringify({ model: 'm:1', prompt: 'x', stream: false }) };
  await (await fetch(`${gateway.url}/api/generate`, ask)).text();
  const names = await eventsUntil(url, (name, data) => name === 'requests' && data.rows.length === 1);
  assert.equal(names[0], 'gateways');
  await stopGateway();
  await eventsUntil(url, (name, data) => name === 'fleet' && data.fleet === null && data.error !== '');
});
