// Rules of failures: what Ollama's words mean, and when a model is tried again. Never waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { afterFailure, failureOf } from './retry.ts';
import type { ModelRecord } from './types.ts';

const aRecord = (failures: number): ModelRecord => ({
  name: 'a',
  key: 'a',
  state: 'pulling',
  failures,
  notBeforeMs: 0,
});
const passing = { reason: 'RegistryUnreachable', message: 'EOF' } as const;
const lasting = { reason: 'NotFound', message: 'no' } as const;

test('the words of Ollama 0.24.0 are understood', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['pull model manifest: file does not exist', 'NotFound'],
    ['pull model manifest: 401: unauthorized', 'NotAllowed'],
    ['write /models/blobs/sha256-1-partial: no space left on device', 'InsufficientStorage'],
    ['digest mismatch, file must be downloaded again: want sha256:1, got sha256:2', 'DigestMismatch'],
    ['pull model manifest: Get "https://r/v2/": dial tcp: lookup r: no such host', 'RegistryUnreachable'],
    ['max retries exceeded: unexpected EOF', 'RegistryUnreachable'],
    ['pull model manifest: 503: {"errors":[{"code":"UNAVAILABLE"}]}', 'RegistryUnreachable'],
    ['this model requires a newer version of Ollama', 'NeedsNewerOllama'],
    ['invalid model name', 'InvalidName'],
    ['something that nobody has seen yet', 'PullFailed'],
  ];
  for (const [words, reason] of cases) assert.equal(failureOf(words, 'PullFailed').reason, reason, words);
});

test('a message is bounded', () => {
  assert.equal(failureOf('x'.repeat(10_000), 'PullFailed').message.length, 500);
});

test('what must be mended by somebody is failed at once, what may pass only after five times', () => {
  const at = { nowMs: 0, random: 0.5 };
  assert.equal(afterFailure(aRecord(0), lasting, at).state, 'failed');
  assert.equal(afterFailure(aRecord(3), passing, at).state, 'pending');
  assert.equal(afterFailure(aRecord(4), passing, at).state, 'failed');
});

test('pauses grow, and are never shorter than seconds nor longer than an hour and a quarter', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        for (const failure of [passing, lasting]) {
          const once = afterFailure(aRecord(failures), failure, { nowMs: 0, random });
          const more = afterFailure(aRecord(failures + 1), failure, { nowMs: 0, random });
          assert.ok(once.notBeforeMs >= 3_000 && once.notBeforeMs <= 75 * 60_000);
          assert.ok(more.notBeforeMs >= once.notBeforeMs);
        }
      },
    ),
  );
});
