// Rules of durations and sizes. Never reads a clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  durationText,
  humanBytes,
  humanDuration,
  parseDurationMs,
  parseSizeBytes,
  sizeText,
} from './quantities.ts';

test('durations are read with their unit, and never without one', () => {
  const cases: [string, number | undefined][] = [
    ['300ms', 300],
    ['1.5s', 1500],
    ['1h30m', 5_400_000],
    ['5', undefined],
    ['', undefined],
    ['5 m', undefined],
    ['m5', undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDurationMs(text), ms, text);
});

test('sizes are read in decimal and binary units', () => {
  const cases: [string, number | undefined][] = [
    ['1024B', 1024],
    ['100MiB', 104_857_600],
    ['1 GB', 1e9],
    ['0.5kib', 512],
    ['12', undefined],
    ['1 TB', undefined],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSizeBytes(text), bytes, text);
});

test('what is printed for a configuration reads back as the same number', () => {
  fc.assert(
    fc.property(fc.nat(), number => {
      assert.equal(parseDurationMs(durationText(number)), number);
      assert.equal(parseSizeBytes(sizeText(number)), number);
    }),
  );
});

test('sizes for people round to the nearest, in decimal units', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [999, '999 B'],
    [1_321_098_329, '1.3 GB'],
    [9_949_999, '9.9 MB'],
    [9_950_000, '10 MB'],
    [999_600, '1.0 MB'],
    [91_700_000, '92 MB'],
  ];
  for (const [bytes, text] of cases) assert.equal(humanBytes(bytes), text);
});

test('durations for people never show 60 of a smaller unit', () => {
  const cases: [number, string][] = [
    [12.4, '12 ms'],
    [1400, '1.4 s'],
    [59_400, '59 s'],
    [59_600, '1 m 00 s'],
    [125_000, '2 m 05 s'],
    [11_400_000, '3 h 10 m'],
    [360_000_000, '4 d 4 h'],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text);
});
