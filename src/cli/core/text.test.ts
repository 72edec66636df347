// Rules of tables, reports, progress and chat lines. Never writes to a terminal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CONFIG_KEYS } from '../../api/config-keys.ts';
import { parseChatLine } from './chat-line.ts';
import { configTemplate } from './config-template.ts';
import { exitCodeOf, headerLines, healthJson, summaryLines, verdictOf } from './health-report.ts';
import { barLine, newProgress, percentOf, plainLine, takeLine } from './pull-progress.ts';
import { tableLines } from './table.ts';
import { agoText, untilText } from './when.ts';

test('columns are as wide as their widest cell, and numbers stand to the right', () => {
  const lines = tableLines(
    [
      ['a', '1'],
      ['bbbb', '22'],
    ],
    { head: ['N', 'SIZE'], right: [1] },
  );
  assert.deepEqual(lines, ['N     SIZE', 'a        1', 'bbbb    22']);
});

test('colour does not move a column', () => {
  const paint = (_style: string, text: string) => `<${text}>`;
  const [, row] = tableLines([[{ text: 'up', style: 'green' }, 'x']], { head: ['STATE', 'Y'], paint });
  assert.equal(row, '<up   >  x');
});

test('a cell never breaks its line or drives a terminal', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      for (const line of tableLines([[text]], { head: ['X'] }))
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f]/);
    }),
  );
});

test('a line of a chat is something to say, unless it is a command', () => {
  const cases: [string, object][] = [
    ['  ', { type: 'nothing' }],
    ['hello', { type: 'say', text: 'hello' }],
    ['/bye', { type: 'bye' }],
    ['/system Be brief.', { type: 'system', text: 'Be brief.' }],
    ['/system', { type: 'system', text: '' }],
    ['/model mistral', { type: 'model', name: 'mistral' }],
    ['/modle x', { type: 'unknown', name: '/modle' }],
    ['/etc/passwd is what?', { type: 'say', text: '/etc/passwd is what?' }],
  ];
  for (const [line, command] of cases) assert.deepEqual(parseChatLine(line), command, line);
});

test('the configuration file that init writes has every key', () => {
  const template = configTemplate(CONFIG_KEYS);
  for (const { path } of CONFIG_KEYS.filter(key => !key.path.includes('[]'))) {
    assert.match(template, new RegExp(`^ *# ${path.split('.').at(-1) ?? ''}:`, 'm'), path);
  }
});

test('the first failure decides the verdict of a health check', () => {
  const pass = { name: 'api', result: 'pass', message: '' } as const;
  const cases = [
    [[pass], 'OK', 0],
    [[{ ...pass, result: 'fail' }], 'UNREACHABLE', 1],
    [[pass, { name: 'model', result: 'fail', message: '' }], 'MODEL MISSING', 2],
    [[pass, { name: 'inference', result: 'fail', message: '' }], 'INFERENCE FAILED', 3],
    [[pass, { name: 'inference', result: 'warn', message: '' }], 'DEGRADED', 4],
  ] as const;
  for (const [checks, verdict, code] of cases) {
    assert.equal(verdictOf(checks), verdict);
    assert.equal(exitCodeOf(verdict), code);
    assert.ok(summaryLines(checks).includes(`OLLAMA HEALTH: ${verdict}`));
  }
});

test('the health report counts and names what it checked', () => {
  const json = healthJson({
    endpoint: 'http://x:1',
    model: 'm',
    checks: [
      { name: 'api', result: 'pass', message: 'a' },
      { name: 'inference', result: 'warn', message: 'b', ms: 31_000 },
    ],
  });
  assert.deepEqual([json.passed, json.warnings, json.failed, json.exitCode], [1, 1, 0, 4]);
  assert.ok(headerLines(json).includes('  Endpoint: http://x:1'));
});

const layer = (completed: number, digest = 'sha256:0123456789ab') => ({
  status: 'pulling 0123456789ab',
  digest,
  total: 100,
  completed,
});

test('progress is the sum of the layers and never goes past its end', () => {
  let progress = takeLine(newProgress(), layer(50), 0);
  progress = takeLine(progress, layer(400, 'sha256:b'), 1000);
  assert.equal(percentOf(progress), 75);
  assert.equal(progress.bytesPerSecond, 100);
  assert.equal(progress.isDone, false);
  assert.equal(takeLine(progress, { status: 'success' }, 2000).isDone, true);
});

test('a bar fits its line, whatever the numbers', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 120 }), fc.nat(100), fc.nat(1e6), (columns, completed, ms) => {
      const progress = takeLine(takeLine(newProgress(), layer(0), 0), layer(completed), ms);
      assert.ok(barLine(progress, columns).length <= columns);
    }),
  );
});

test('a log gets one line for each tenth, not for each chunk', () => {
  const lines = new Set<string>();
  let progress = newProgress();
  for (let completed = 0; completed <= 100; completed++) {
    progress = takeLine(progress, layer(completed), completed);
    lines.add(plainLine(progress));
  }
  assert.equal(lines.size, 11);
});

test('moments are told from now', () => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(agoText('2025-12-31T20:50:00Z', nowMs), '3 h 10 m ago');
  assert.equal(agoText('not a date', nowMs), 'not a date');
  assert.equal(untilText('2026-01-01T00:04:59Z', nowMs), 'in 4 m 59 s');
  assert.equal(untilText('2318-01-01T00:00:00Z', nowMs), 'for ever');
});
