// Ends what a test started, one part after the other. Never leaves a part running because one before it could not be ended:
// what runs on keeps the whole run waiting.

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
