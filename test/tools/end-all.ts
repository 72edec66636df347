// Ends what a test started, one part after the other. Never leaves a part running because one before it could not be ended:
// what runs on keeps the whole run waiting.
import type { TestContext } from 'node:test';

/** A part may be missing or fail: all are ended, then the first error is told. */
export async function endAll(...ends: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

const endsOf = new WeakMap<TestContext, (() => unknown)[]>();

/** As `t.after`, of which one that fails keeps all later ones from being called. */
export function atEnd(t: TestContext, end: () => unknown): void {
  const known = endsOf.get(t);
  if (known !== undefined) return void known.push(end);
  const ends = [end];
  endsOf.set(t, ends);
  t.after(() => endAll(...ends));
}
