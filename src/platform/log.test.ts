// The batching writer of log lines: the same lines as the logger's, in order, none lost.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Log } from './log.ts';
import { LineWriter } from './log.ts';

function logInto(lines: string[], level = 'info'): Log {
  return pino({ base: null, level }, { write: text => void lines.push(text) });
}
const parse = (lines: string[]): Record<string, unknown>[] =>
  lines
    .join('')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

test('each line is one JSON object with level, time, fields and message', async () => {
  const lines: string[] = [];
  const writer = new LineWriter(logInto(lines), 'request');
  writer.write({ id: 'a', text: 'line\nend "quoted"', missing: undefined });
  writer.write({ id: 'b' });
  assert.equal(lines.length, 0);
  await sleep(150);
  assert.equal(lines.length, 1);
  const [first, second] = parse(lines);
  assert.deepEqual(
    [first?.['level'], first?.['id'], first?.['text'], first?.['msg']],
    ['info', 'a', 'line\nend "quoted"', 'request'],
  );
  assert.match(String(first?.['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal('missing' in (first ?? {}), false);
  assert.equal(second?.['id'], 'b');
});

test('a full batch is written at once, and flush writes the rest', () => {
  const lines: string[] = [];
  const writer = new LineWriter(logInto(lines), 'request');
  for (let index = 0; index < 1_000; index += 1) writer.write({ index, pad: 'x'.repeat(100) });
  assert.ok(lines.length >= 1);
  writer.flush();
  assert.deepEqual(
    parse(lines).map(line => line['index']),
    Array.from({ length: 1_000 }, (_, index) => index),
  );
});

test('a log that is quieter than info gets none', () => {
  const lines: string[] = [];
  const writer = new LineWriter(logInto(lines, 'warn'), 'request');
  writer.write({ id: 'a' });
  writer.flush();
  assert.equal(lines.length, 0);
});
