// Every row of the table, as raw bytes against a running gateway with a backend that records what reaches it.
// Never two requests where one was sent, never a header that belongs to the client alone, never a gateway that dies.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGatewayProcess } from '../../contract/gateway-process.ts';
import type { GatewayProcess } from '../../contract/gateway-process.ts';
import { sendRaw } from './raw-client.ts';
import type { RawAnswer } from './raw-client.ts';
import { startRecordingUpstream } from './recording-upstream.ts';
import type { Recorded, RecordingUpstream } from './recording-upstream.ts';
import { HTTP_TABLE } from './table.ts';
import type { HttpCase } from './table.ts';

const casesMin = 120;
/** For a request that is on its way to the backend while its client was refused already. */
const lateMs = 200;
const ALWAYS_STRIPPED = [
  'authorization',
  'x-api-key',
  'cookie',
  'origin',
  'te',
  'trailer',
  'upgrade',
  'proxy-connection',
  'keep-alive',
];

describe('malformed and hostile HTTP', () => {
  let upstream: RecordingUpstream;
  let gateway: GatewayProcess;
  let port = 0;

  before(async () => {
    upstream = await startRecordingUpstream();
    gateway = await startGatewayProcess([`${upstream.url},name=recorder,slots=8`]);
    port = Number(new URL(gateway.url).port);
  });
  after(async () => {
    await gateway.stop();
    await upstream.stop();
    console.log(`http table: ${HTTP_TABLE.length} cases`);
  });

  test('the table is as long as was promised, and no row is there twice', () => {
    assert.ok(HTTP_TABLE.length >= casesMin, `${HTTP_TABLE.length} cases`);
    assert.equal(new Set(HTTP_TABLE.map(each => each.name)).size, HTTP_TABLE.length);
  });

  for (const each of HTTP_TABLE) {
    test(`${each.name} is ${each.fate}`, async () => {
      upstream.forget();
      const answer = await sendRaw(port, each.bytes, {
        fate: each.fate,
        finish: each.finish ?? false,
      });
      if (each.anyStatus === true) await sleep(lateMs);
      checkUpstream(each, upstream);
      checkFate(each, answer, upstream.inference());
    });
  }

  test('after the whole table the gateway still serves', async () => {
    upstream.forget();
    const response = await fetch(`${gateway.url}/api/generate`, {
      method: 'POST',
      body: '{"model":"m","prompt":"marker","stream":false}',
    });
    assert.equal(response.status, 200);
    assert.equal(upstream.inference().length, 1);
    const fleet = (await (await fetch(`${gateway.admin}/bigo/v1/fleet`)).json()) as { tickets: unknown[] };
    assert.deepEqual(fleet.tickets, []);
  });
});

/** Whatever became of the case: the backend saw clean requests only, at most one, and never the smuggled one. */
function checkUpstream(each: HttpCase, upstream: RecordingUpstream): void {
  assert.deepEqual(upstream.findings(), []);
  const seen = upstream.inference();
  assert.ok(seen.length <= 1 || isPipelined(each, seen), `the backend saw ${seen.length} requests`);
  for (const request of seen) {
    assert.equal(request.target, '/api/generate');
    assert.equal(request.method, 'POST');
    assert.deepEqual(valuesOf(request, 'host'), [upstream.host]);
    for (const name of [...ALWAYS_STRIPPED, ...(each.stripped ?? [])])
      assert.deepEqual(valuesOf(request, name), [], name);
  }
}

/** Bytes behind a whole request are a second request of the same client: it may run, as itself. */
function isPipelined(each: HttpCase, seen: readonly Recorded[]): boolean {
  return each.fate === 'either' && seen.length === 2 && (seen[1]?.body.includes('smuggled') ?? false);
}

function checkFate(each: HttpCase, answer: RawAnswer, seen: readonly Recorded[]): void {
  const [status] = answer.statuses;
  const fate = each.fate === 'either' ? (seen.length === 0 ? 'turned away' : 'forwarded') : each.fate;
  switch (fate) {
    case 'refused':
      assert.equal(seen.length, 0, 'nothing reached the backend');
      assert.ok(answer.closed, 'the connection was closed');
      assertRefusal(each, answer);
      return;
    case 'answered':
    case 'turned away':
      assert.equal(seen.length, 0, 'nothing reached the backend');
      assert.ok(status !== undefined, 'there was an answer');
      if (each.status !== undefined) assert.equal(status, each.status, answer.text.slice(0, 300));
      return;
    case 'forwarded':
      assert.match(seen[0]?.body ?? '', /marker/);
      if (each.anyStatus !== true) assert.equal(status, 200, answer.text.slice(0, 300));
      return;
    default:
      fate satisfies never;
  }
}

/** A client that ended its side may see nothing; every other one is told. */
function assertRefusal(each: HttpCase, answer: RawAnswer): void {
  const [status] = answer.statuses;
  if (status === undefined) {
    assert.equal(each.finish, true, 'a refusal is an answer');
    return;
  }
  assert.ok((status >= 400 && status < 500) || status === 501 || status === 505, `status ${status}`);
  if (each.status !== undefined) assert.equal(status, each.status, answer.text.slice(0, 300));
  assert.equal(answer.statuses.length, 1, `one answer: ${answer.statuses.join(' ')}`);
}

function valuesOf(request: Recorded, name: string): string[] {
  return request.headers.filter(([key]) => key === name).map(([, value]) => value);
}
