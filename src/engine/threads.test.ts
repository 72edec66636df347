// How many threads an engine takes. Never starts one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countCores, engineThreads } from './threads.ts';

const cpu = (socket: number, core: number): string =>
  `processor\t: 0\nphysical id\t: ${socket}\ncore id\t\t: ${core}\n`;

test('two threads of one core count once', () => {
  assert.equal(countCores([cpu(0, 0), cpu(0, 0), cpu(0, 1), cpu(1, 0)].join('\n')), 3);
  assert.equal(countCores('processor: 0\nmodel name: x\n'), undefined);
});

test('what is asked for is taken; engines share the cores but each has one', () => {
  assert.equal(engineThreads(3, 1), 3);
  assert.equal(engineThreads(undefined, 10_000), Number(process.env['BIGO_ENGINE_THREADS'] ?? 1));
});
