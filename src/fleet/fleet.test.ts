// The fleet against fake Ollamas on loopback: what a snapshot says after things happened. Never waits longer than a bound.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFakeOllama, type FakeOllama } from '../../test/fakes/ollama/server.ts';
import { INSTANCE_HEADER, type BackendSpec, type BackendView } from '../api/fleet.ts';
import { systemClock } from '../platform/clock.ts';
import { createFleet } from './fleet.ts';
import type { Timing } from './core/timing.ts';
import type { Fleet } from './types.ts';

const log = { debug() {}, info() {}, warn() {} };
const quick: Partial<Timing> = {
  versionEveryMs: 40,
  versionRetryMs: 10,
  versionDownEveryMsMax: 60,
  psEveryMs: 40,
  psIdleEveryMs: 40,
  tagsEveryMs: 60,
  versionMsMax: 200,
};
const rare: Partial<Timing> = { ...quick, psEveryMs: 60_000, psIdleEveryMs: 60_000, tagsEveryMs: 60_000 };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const spec = (name: string, url: string, more: Partial<BackendSpec> = {}): BackendSpec => ({
  name,
  url,
  store: name,
  class: 'default',
  ...more,
});

async function fake(options: Parameters<typeof startFakeOllama>[0] = {}): Promise<FakeOllama> {
  const server = await startFakeOllama({ models: [{ name: 'm1' }, { name: 'm2' }], ...options });
  closers.push(() => server.stop());
  return server;
}

async function http(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function fleetOf(specs: readonly BackendSpec[], timing = quick): Fleet {
  const fleet = createFleet({ specs, clock: systemClock, log, rng: Math.random, instanceId: 'me', timing });
  closers.push(() => fleet.stop());
  fleet.start();
  return fleet;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

const view = (fleet: Fleet, name: string): BackendView => {
  const found = fleet.snapshot().backends.find(backend => backend.spec.name === name);
  assert.ok(found, name);
  return found;
};

test('after ready, the snapshot holds version, models with their weights and parameters, and runners of each backend', async () => {
  const a = await fake({
    models: [
      { name: 'm1', weights: 'w', parameters: { num_ctx: 2048 } },
      { name: 'm2', weights: 'w' },
    ],
  });
  const fleet = fleetOf([spec('a', a.url)]);
  assert.equal(fleet.ready(), false);
  await until('ready', () => fleet.ready());
  await until('shown', () => view(fleet, 'a').models.get('m1:latest')?.reloadDefaults.num_ctx === 2048);
  const { state, version, models, loaded } = view(fleet, 'a');
  assert.deepEqual(
    [state, version, [...models.keys()].sort(), loaded],
    ['up', '0.24.0', ['m1:latest', 'm2:latest'], []],
  );
  assert.equal(models.get('m1:latest')?.weights, models.get('m2:latest')?.weights);
  assert.notEqual(models.get('m1:latest')?.digest, models.get('m2:latest')?.digest);
  const shows = a.state().seen.filter(seen => seen.url === '/api/show');
  await sleep(150);
  assert.equal(
    a.state().seen.filter(seen => seen.url === '/api/show').length,
    shows.length,
    'each manifest is shown once',
  );
});

test('a backend that is killed is down with a reason and up again when it returns', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)]);
  await until('up', () => view(fleet, 'a').models.size === 2);
  const { port } = a;
  await a.stop();
  await until('down', () => view(fleet, 'a').state === 'down');
  assert.match(view(fleet, 'a').error ?? '', /nothing listens there/);
  assert.equal(view(fleet, 'a').models.size, 2);
  await fake({ port });
  await until('up again', () => view(fleet, 'a').state === 'up');
});

test('a hint makes the fleet look at once, and does not replace looking', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)], { ...rare, versionEveryMs: 60_000 });
  await until('ready', () => fleet.ready());
  fleet.noteDown('a', 'connection reset');
  assert.equal(view(fleet, 'a').state, 'up');
  await a.stop();
  fleet.noteDown('a', 'connection refused');
  await until('down', () => view(fleet, 'a').state === 'down');
});

test('refresh shows what changed before it resolves, even while an older question is under way', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)], rare);
  await until('ready', () => fleet.ready());
  for (let n = 0; n < 5; n++) {
    void fleet.refresh('a');
    a.control({ models: [{ name: `new${n}` }] });
    await fleet.refresh('a');
    assert.ok(view(fleet, 'a').models.has(`new${n}:latest`));
  }
});

test('a denied model is gone at once, and back if the list still has it', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)], rare);
  await until('ready', () => fleet.ready());
  fleet.forgetModel('a', 'm1:latest');
  assert.equal(view(fleet, 'a').models.has('m1:latest'), false);
  await until('asked again', () => a.state().seen.filter(seen => seen.url === '/api/tags').length === 2);
});

test('a load hint brings the new runner into the snapshot without waiting for the next poll', async () => {
  const a = await fake({ loadMs: 0 });
  const fleet = fleetOf([spec('a', a.url)], rare);
  await until('ready', () => fleet.ready());
  await fetch(`${a.url}/api/generate`, { method: 'POST', body: '{"model":"m1","stream":false}' });
  fleet.noteLoaded('a');
  await until('loaded', () => view(fleet, 'a').loaded[0]?.key === 'm1:latest');
});

test('a backend that is this very gateway, or leads back to it, is a loop', async () => {
  const own = await http((_req, res) => res.setHeader(INSTANCE_HEADER, 'me').end('{"version":"1"}'));
  const around = await http((req, res) =>
    res.writeHead(req.headers['x-bigo-hop'] === 'me' ? 508 : 200).end('{}'),
  );
  const fleet = fleetOf([spec('own', own), spec('around', around)]);
  await until('ready', () => fleet.ready());
  assert.deepEqual([view(fleet, 'own').state, view(fleet, 'around').state], ['loop', 'loop']);
});

test('something that is not Ollama is down with the reason in words', async () => {
  const html = await http((_req, res) => res.setHeader('content-type', 'text/html').end('<html>'));
  const missing = await http((_req, res) => res.writeHead(404).end());
  const endless = await http((_req, res) => {
    res.writeHead(200);
    const timer = setInterval(() => res.write('x'.repeat(65_536)), 1);
    res.on('close', () => clearInterval(timer));
  });
  const fleet = fleetOf([spec('html', html), spec('missing', missing), spec('endless', endless)]);
  await until('ready', () => fleet.ready());
  assert.match(view(fleet, 'html').error ?? '', /does not answer like an Ollama server \(text\/html\)/);
  assert.match(view(fleet, 'missing').error ?? '', /status 404/);
  assert.match(view(fleet, 'endless').error ?? '', /over 65536 bytes/);
});

test('a frozen backend is down after two silent probes', async () => {
  let probes = 0;
  const frozen = await http(() => void probes++);
  const fleet = fleetOf([spec('frozen', frozen)], { ...quick, versionMsMax: 30 });
  await until('down', () => view(fleet, 'frozen').state === 'down');
  assert.equal(probes, 2);
});

test('a list of 10⁵ models is read in pieces: no turn of the event loop takes them all, and other polls go on', async () => {
  const models = Array.from({ length: 100_000 }, (_, n) => ({
    name: `m${n}`,
    model: `m${n}`,
    digest: `${n}`,
    size: 1,
    details: { family: 'x' },
  }));
  const body = JSON.stringify({ models });
  const big = await http((req, res) => {
    if (req.url === '/api/version') res.end('{"version":"0.24.0"}');
    else if (req.url === '/api/tags') res.end(body);
    else if (req.url === '/api/show') res.writeHead(500).end();
    else res.end('{"models":[]}');
  });
  const fleet = fleetOf([spec('big', big)], { ...rare, factsMax: 100 });
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  count();
  await until('read', () => view(fleet, 'big').models.size === 100_000);
  counting = false;
  assert.ok(turns > 200, `${turns} turns`);
});

test('a model whose description is too long to be parsed at once keeps its manifest as identity', async () => {
  const digest = 'd'.repeat(64);
  const modelfile = `FROM /models/blobs/sha256-${'e'.repeat(64)}\n`;
  const url = await http((req, res) => {
    if (req.url === '/api/version') res.end('{"version":"0.24.0"}');
    else if (req.url === '/api/tags')
      res.end(
        JSON.stringify({
          models: [
            { name: 'long', digest },
            { name: 'short', digest: 'c' },
          ],
        }),
      );
    else if (req.url !== '/api/show') res.end('{"models":[]}');
    else
      req.on('data', (asked: Buffer) => {
        const license = asked.includes('long') ? 'x'.repeat(3 * 1024 * 1024) : '';
        res.end(JSON.stringify({ license, modelfile, parameters: 'num_ctx 7' }));
      });
  });
  const fleet = fleetOf([spec('a', url)]);
  await until('shown', () => view(fleet, 'a').models.get('short:latest')?.weights === 'e'.repeat(64));
  assert.equal(view(fleet, 'a').models.get('long:latest')?.weights, digest);
});

test('live reload keeps what is unchanged, renews what points elsewhere, drops what is gone', async () => {
  const [a, b] = [await fake(), await fake({ models: [{ name: 'other' }] })];
  const fleet = fleetOf([spec('keep', a.url), spec('move', a.url), spec('gone', a.url)]);
  await until('ready', () => fleet.ready());
  fleet.setDraining('keep', true);
  const since = view(fleet, 'keep').stateSinceMs;
  fleet.setBackends([spec('keep', a.url, { slots: 3 }), spec('move', b.url)]);
  assert.deepEqual(
    fleet.snapshot().backends.map(backend => backend.spec.name),
    ['keep', 'move'],
  );
  assert.deepEqual(
    [view(fleet, 'keep').spec.slots, view(fleet, 'keep').draining, view(fleet, 'keep').stateSinceMs],
    [3, true, since],
  );
  assert.deepEqual(
    [view(fleet, 'move').state, view(fleet, 'move').models.size, fleet.ready()],
    ['unknown', 0, false],
  );
  await until('read anew', () => view(fleet, 'move').models.has('other:latest'));
});

test('snapshots are values: seq grows with each change, the age alone changes neither seq nor calls a listener', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)]);
  await until(
    'ready and shown',
    () =>
      fleet.ready() && [...view(fleet, 'a').models.values()].every(model => model.capabilities.length > 0),
  );
  const seen: number[] = [];
  const off = fleet.onChange(snapshot => seen.push(snapshot.seq));
  const before = fleet.snapshot();
  const polledAtMs = view(fleet, 'a').polledAtMs ?? 0;
  await until('older lists are renewed', () => (view(fleet, 'a').polledAtMs ?? 0) > polledAtMs);
  assert.equal(fleet.snapshot().seq, before.seq);
  fleet.setDraining('a', true);
  assert.deepEqual(seen, [before.seq + 1]);
  assert.equal(before.backends[0]?.draining, false);
  off();
  fleet.setDraining('a', false);
  assert.equal(seen.length, 1);
});

test('the extra headers of a backend reach it with every question', async () => {
  const seen = new Set<string>();
  const guarded = await http((req, res) => {
    seen.add(`${req.url} ${req.headers.authorization ?? 'none'}`);
    res.end(req.url === '/api/version' ? '{"version":"1"}' : '{"models":[]}');
  });
  const fleet = fleetOf([spec('g', guarded, { headers: { authorization: 'Bearer t' } })]);
  await until('ready', () => fleet.ready());
  assert.deepEqual([...seen].sort(), ['/api/ps Bearer t', '/api/tags Bearer t', '/api/version Bearer t']);
});

test('after stop nothing is asked any more', async () => {
  const a = await fake();
  const fleet = fleetOf([spec('a', a.url)]);
  await until('ready', () => fleet.ready());
  await fleet.stop();
  const count = a.state().seen.length;
  await sleep(150);
  assert.equal(a.state().seen.length, count);
  await until('no socket left', () => a.state().connections === 0);
});

test('a drain that the pod wants and one that a person wants are taken back each by its own', async () => {
  const ollama = await fake();
  const fleet = fleetOf([spec('a', ollama.url)]);
  const draining = () => fleet.snapshot().backends[0]?.draining;
  fleet.setDraining('a', true);
  fleet.setDraining('a', true, 'pod');
  fleet.setDraining('a', false);
  assert.equal(draining(), true);
  fleet.setDraining('a', false, 'pod');
  assert.equal(draining(), false);
});

test('a backend at another address begins without the drain of the one before', async () => {
  const [old, fresh] = [await fake(), await fake()];
  const fleet = fleetOf([spec('a', old.url)]);
  fleet.setDraining('a', true);
  fleet.setBackends([spec('a', fresh.url)]);
  assert.equal(fleet.snapshot().backends[0]?.draining, false);
});

test('a fleet that may have more backends than it was told is not ready', async () => {
  const ollama = await fake();
  let isComplete = false;
  const deps = {
    specs: [spec('a', ollama.url)],
    clock: systemClock,
    log,
    rng: Math.random,
    instanceId: 'me',
  };
  const fleet = createFleet({ ...deps, timing: quick, isComplete: () => isComplete });
  closers.push(() => fleet.stop());
  fleet.start();
  await fleet.refresh();
  assert.equal(fleet.ready(), false);
  isComplete = true;
  assert.equal(fleet.ready(), true);
});
