// Waits for what comes about by itself, on a machine that is much slower than it should be. Never for a time: it ends as soon as it is so.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

const waitMsMax = 60_000;
const lookMs = 30;
const toldCharsMax = 2_000;

/** Resolves with the first value that is as awaited; an error carries the last one. */
export async function untilSeen<Value>(
  what: string,
  look: () => Value | Promise<Value>,
  isSo: (value: Value) => boolean,
): Promise<Value> {
  const endMs = performance.now() + waitMsMax;
  for (;;) {
    const value = await look();
    if (isSo(value)) return value;
    const told = JSON.stringify(value)?.slice(0, toldCharsMax);
    assert.ok(performance.now() < endMs, `not within ${waitMsMax} ms: ${what}; seen was ${told}`);
    await sleep(lookMs);
  }
}

/** `told` is what helps to understand why it is not so, such as a log: its end goes into the error. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  told: () => string = () => '',
): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!(await isSo())) {
    const why = (): string => `not within ${waitMsMax} ms: ${what}\n${told().slice(-toldCharsMax)}`;
    if (performance.now() > endMs) assert.fail(why());
    await sleep(lookMs);
  }
}
