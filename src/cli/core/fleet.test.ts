// Rules of what is said about a fleet. Never asks one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { explainRoute } from './explain-route.ts';
import { readFleetView, readRequests } from './fleet-view.ts';
import { statusLines } from './status-text.ts';

const plain = { paint: (_style: string, text: string) => text, nowMs: 0, rowsMax: 10 };

const aBackend = (name: string, more: object = {}) => ({
  name,
  url: `http://${name}:1`,
  state: 'up',
  store: name,
  models: [{ name: 'm:latest' }],
  loaded: [],
  slots: { value: 1, source: 'learned' },
  inFlight: 0,
  ...more,
});
const aFleet = (...backends: object[]) =>
  readFleetView({ backends, queue: { length: 0, lengthMax: 10 }, tickets: [] });
const loadedWith = (inFlight: number) => ({
  loaded: [{ name: 'm:latest' }],
  places: [{ model: 'm:latest', inFlight, slots: { value: 1 } }],
});

test('a loaded backend with a free slot gets it', () => {
  const route = explainRoute(aFleet(aBackend('a'), aBackend('b', loadedWith(0))), 'm');
  assert.deepEqual([route.backend, route.reason], ['b', 'warm_free']);
});

test('when every slot is busy the ticket waits for a loaded one', () => {
  const route = explainRoute(aFleet(aBackend('b', loadedWith(1))), 'm');
  assert.deepEqual([route.backend, route.reason], ['b', 'warm_waited']);
});

test('a model loaded nowhere goes to the emptiest backend', () => {
  const other = { loaded: [{ name: 'x:latest' }] };
  assert.deepEqual(explainRoute(aFleet(aBackend('a', other), aBackend('b')), 'm').backend, 'b');
  assert.equal(explainRoute(aFleet(aBackend('a', other)), 'm').reason, 'cold_evict');
});

test('a backend that cannot take it is named with the reason', () => {
  const route = explainRoute(aFleet(aBackend('a', { state: 'down' }), aBackend('b', { models: [] })), 'm');
  assert.equal(route.backend, undefined);
  assert.equal(route.reason, 'down');
  assert.match(
    route.lines.join('\n'),
    /a: not a candidate, it does not answer\nb: not a candidate, it does not have the model/,
  );
});

test('the status page shows backends, tickets with what they may choose from, and the last requests', () => {
  const fleet = readFleetView({
    backends: [
      aBackend('a', { state: 'down', error: 'connection refused' }),
      aBackend('b', { ...loadedWith(1), load: { model: 'x' } }),
    ],
    queue: { length: 1, lengthMax: 10 },
    tickets: [
      {
        id: 't1',
        model: 'm',
        state: 'queued',
        position: 1,
        waitMs: 1500,
        considered: [
          { backend: 'b', estimateMs: 2000 },
          { backend: 'a', skipped: 'down' },
        ],
      },
      { id: 't2', model: 'm', state: 'running', waitMs: 0, backend: 'b', reason: 'warm_free' },
    ],
    differing: [{ model: 'm' }],
  });
  const requests = readRequests({
    requests: [{ id: 'r', at: '1970-01-01T00:00:00Z', model: 'm', backend: 'b', reason: 'retry', code: 200 }],
  });
  const page = statusLines({ fleet, requests }, plain).join('\n');
  for (const part of [
    /a +down/,
    /a: connection refused/,
    /m:latest, x \(loading\)/,
    /1 of at most 10 waiting, 1 running/,
    /queued #1 +1\.5 s +b ~2\.0 s, a down/,
    /t2 .*warm_free/,
    /retry/,
    /Not the same on every backend: m/,
  ]) {
    assert.match(page, part);
  }
});

test('whatever a gateway answers, the page can be drawn', () => {
  fc.assert(
    fc.property(fc.object(), body => {
      statusLines({ fleet: readFleetView(body), requests: [] }, plain);
    }),
  );
});
