// Backends that answer wrongly or break off. Whatever they do, the client gets a complete answer or an explicit error
// in its own dialect, and nothing is left behind.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Fault } from '../fakes/ollama/faults.ts';
import type { Heard } from './client.ts';
import { DIALECTS } from './dialects.ts';
import type { DialectCase } from './dialects.ts';
import { inWorld, MODEL, startWorld } from './world.ts';
import type { World } from './world.ts';

/** Tried elsewhere, so that the client never notices. */
const RETRIED: readonly Fault[] = [
  { kind: 'die_at_once' },
  { kind: 'die_before_first_byte' },
  { kind: 'html' },
  { kind: 'html', status: 502 },
  {
    kind: 'status',
    status: 503,
    message: 'server busy, please try again.  maximum pending requests exceeded',
  },
  { kind: 'status', status: 500, message: 'llama runner process has terminated' },
  { kind: 'huge_headers' },
  { kind: 'redirect' },
];

/** After the first byte of a stream nothing is tried again. */
const BROKEN_STREAMS: readonly Fault[] = [
  { kind: 'die_after', after: 700 },
  { kind: 'cut_after', after: 700 },
  { kind: 'stall_after', after: 700 },
  { kind: 'error_after_tokens', after: 3, message: 'the model fell over' },
];

const whole = JSON.stringify({ model: MODEL, prompt: 'x', stream: false });
const rssGrowthBytesMax = 200 * 1024 * 1024;

describe('a backend answers wrongly, another is well', () => {
  let world: World;
  before(async () => {
    world = await startWorld({
      fakes: [{}, {}],
      gateway: { time: { idle_max: '1s', first_byte_max: '3s' } },
    });
  });
  afterEach(() => {
    for (const fake of world.fakes) fake.control({ faults: [] });
  });
  after(() => world.stop());

  for (const fault of RETRIED) {
    for (const dialect of DIALECTS) {
      test(`${nameOf(fault)} is tried elsewhere: ${dialect.name}`, async () => {
        for (const stream of [true, false]) {
          world.fake(0).control({ faults: [{ ...fault, times: 1 }] });
          const heard = await world.hear(dialect.path, { body: dialect.body(MODEL, stream) });
          assert.equal(heard.status, 200, heard.text);
          assertComplete(dialect, heard, stream);
        }
        await world.assertSettled();
      });
    }
  }
});

describe('the only backend answers wrongly', () => {
  let world: World;
  before(async () => {
    const gateway = { time: { idle_max: '1s', first_byte_max: '3s' }, body: { held_answer_max: '1MiB' } };
    world = await startWorld({ fakes: [{ tokensMedian: 60, tokensSigma: 0.01 }], gateway });
  });
  // A good answer closes the breaker, so that each test meets the gateway as the first one did.
  afterEach(async () => {
    world.fake(0).control({ faults: [] });
    const heard = await world.hear('/api/generate', { body: whole });
    assert.equal(heard.status, 200, heard.text);
  });
  after(() => world.stop());

  for (const fault of BROKEN_STREAMS) {
    for (const dialect of DIALECTS) {
      test(`${nameOf(fault)} ends a stream with an error: ${dialect.name}`, async () => {
        world.fake(0).control({ faults: [{ ...fault, times: 1 }] });
        const heard = await world.hear(dialect.path, { body: dialect.body(MODEL, true) });
        assertExplicit(dialect, heard, true);
        await world.assertSettled();
      });
    }
  }

  for (const [at, fault] of [...RETRIED, ...BROKEN_STREAMS, { kind: 'short_body' } as const].entries()) {
    const dialect = DIALECTS[at % DIALECTS.length] as DialectCase;
    test(`${nameOf(fault)} on a whole answer is an error, never half an answer: ${dialect.name}`, async () => {
      world.fake(0).control({ faults: [fault.after === undefined ? fault : { ...fault, after: 3 }] });
      const heard = await world.hear(dialect.path, { body: dialect.body(MODEL, false) });
      assertExplicit(dialect, heard, false);
      await world.assertSettled();
    });
  }

  test('a body longer than its length is never passed on cut', async () => {
    world.fake(0).control({ faults: [{ kind: 'long_body', times: 1 }] });
    const heard = await world.hear('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    assert.notEqual(heard.status, 0);
    JSON.parse(heard.text);
    await world.assertSettled();
  });

  test('gzip that nobody asked for reaches the client in a form it can read, or is an error', async () => {
    world.fake(0).control({ faults: [{ kind: 'gzip', times: 1 }] });
    const heard = await world.hear('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    if (heard.status === 200) assert.equal(heard.headers['content-encoding'], 'gzip');
    else assert.ok(heard.status >= 500);
    await world.assertSettled();
  });

  test('many 1xx answers before the real one change nothing', async () => {
    world.fake(0).control({ faults: [{ kind: 'informational', times: 1 }] });
    const heard = await world.hear('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    assert.ok(heard.status === 200 || heard.status === 502, heard.text);
    await world.assertSettled();
  });

  test('a whole answer of 1 GB is an error, in bounded memory', async () => {
    const beforeBytes = await rssBytes(world.gateway.pid);
    world.fake(0).control({ faults: [{ kind: 'huge_json' }] });
    const heard = await world.hear('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    assert.ok(heard.status >= 500, `status ${heard.status}`);
    const grownBytes = (await rssBytes(world.gateway.pid)) - beforeBytes;
    assert.ok(grownBytes < rssGrowthBytesMax, `grew by ${grownBytes} bytes`);
    await world.assertSettled();
  });

  test('after all this an ordinary request is served', async () => {
    const heard = await world.hear('/api/generate', {
      body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
    });
    assert.equal(heard.status, 200, heard.text);
    await world.assertSettled();
  });
});

describe('a backend lies about its models', () => {
  test('a model that it only says to have loaded is served all the same', async () => {
    await inWorld({ fakes: [{ models: [{ name: MODEL }, { name: 'other:latest' }] }] }, async world => {
      const digest = 'ab'.repeat(32);
      const entry = {
        name: 'other:latest',
        model: 'other:latest',
        size: 5,
        size_vram: 5,
        digest,
        details: {},
        expires_at: '2318-01-01T00:00:00Z',
        context_length: 4096,
      };
      world.fake(0).control({ lies: { ps: { models: [entry] } } });
      const body = JSON.stringify({ model: 'other', prompt: 'x', stream: false });
      const heard = await world.hear('/api/generate', { body });
      assert.equal(heard.status, 200, heard.text);
      await world.assertSettled();
    });
  });

  test('a model that it only says to have is 404 in the end, and asked of the one that has it first', async () => {
    await inWorld({ fakes: [{}, { models: [{ name: MODEL }, { name: 'rare:latest' }] }] }, async world => {
      const listed = await (await fetch(`${world.fake(1).url}/api/tags`)).json();
      world.fake(0).control({ lies: { tags: listed } });
      await world.until('both are known', fleet => fleet.backends.every(backend => backend.state === 'up'));
      for (let times = 0; times < 6; times++) {
        const heard = await world.hear('/api/generate', {
          body: JSON.stringify({ model: 'rare', prompt: `x${times}`, stream: false }),
        });
        assert.equal(heard.status, 200, heard.text);
      }
      world.fake(1).control({ lies: { tags: { models: [] } } });
      await world.assertSettled();
    });
  });

  test('tags that are no list take the backend out, not the gateway', async () => {
    await inWorld({ fakes: [{}, {}] }, async world => {
      for (const tags of [
        { models: 'none' },
        [],
        { models: [null, 5, {}] },
        { models: [{ name: 5, digest: {} }] },
      ]) {
        world.fake(0).control({ lies: { tags } });
        const heard = await world.hear('/api/generate', {
          body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
        });
        assert.equal(heard.status, 200, heard.text);
      }
      await world.assertSettled();
    });
  });
});

describe('a model does not load', () => {
  test('the error of the load reaches every client that waited, and names it', async () => {
    const models = [
      { name: MODEL },
      { name: 'broken:latest', loadError: 'error loading model: tensor not found', loadMs: 200 },
    ];
    await inWorld({ fakes: [{ models }] }, async world => {
      const body = JSON.stringify({ model: 'broken', prompt: 'x', stream: false });
      const answers = await Promise.all([0, 1, 2].map(() => world.hear('/api/generate', { body })));
      for (const heard of answers) {
        assert.ok(heard.status >= 500, `status ${heard.status}`);
        assert.match(DIALECTS[0]?.readError(heard.text) ?? '', /tensor not found/);
      }
      await world.assertSettled();
    });
  });

  test('a load that never ends is given up, and other models are served meanwhile', async () => {
    const models = [{ name: MODEL }, { name: 'slow:latest', loadMs: 3_600_000 }];
    await inWorld(
      {
        fakes: [{ models, device: 'cpu' }],
        gateway: { time: { load_max: '3s' } },
      },
      async world => {
        const slow = world.hear('/api/generate', {
          body: JSON.stringify({ model: 'slow', prompt: 'x', stream: false }),
        });
        const quick = await world.hear('/api/generate', {
          body: JSON.stringify({ model: MODEL, prompt: 'x', stream: false }),
        });
        assert.equal(quick.status, 200, quick.text);
        assert.ok((await slow).status >= 500);
        await world.assertSettled();
      },
    );
  });
});

function nameOf(fault: Fault): string {
  return [fault.kind, fault.status, fault.after].filter(part => part !== undefined).join(' ');
}

function assertComplete(dialect: DialectCase, heard: Heard, stream: boolean): void {
  assert.equal(heard.cut, false);
  if (stream) assert.ok(dialect.readStream(heard.text).complete, heard.text.slice(-300));
  else assert.equal(dialect.readError(heard.text), undefined);
}

function assertExplicit(dialect: DialectCase, heard: Heard, stream: boolean): void {
  if (stream && heard.status === 200) {
    const reading = dialect.readStream(heard.text);
    assert.equal(reading.complete, false, 'no forged end');
    assert.ok((reading.error ?? '').length > 0, `an error in the dialect: ${heard.text.slice(-300)}`);
    return;
  }
  assert.ok(heard.status >= 500, `status ${heard.status}: ${heard.text.slice(0, 200)}`);
  assert.ok((dialect.readError(heard.text) ?? '').length > 0, heard.text.slice(0, 300));
  assert.doesNotMatch(heard.text, /\bat .*\.ts:\d+/, 'no stack');
}

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}
