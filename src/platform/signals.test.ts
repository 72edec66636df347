// Signals of the first process of a container. What signals mean to a running program is tested with the commands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EARLY_SIGNALS, onShutdown } from './signals.ts';

test('a SIGTERM that came before the program was ready for it is not lost', async t => {
  const globals = globalThis as Record<symbol, unknown>;
  const key = Symbol.for(EARLY_SIGNALS);
  globals[key] = ['SIGTERM'];
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const before = names.map(name => process.listeners(name));
  t.after(() => {
    delete globals[key];
    names.forEach((name, index) => {
      for (const listener of process.listeners(name))
        if (!before[index]?.includes(listener)) process.off(name, listener);
    });
  });
  const begun = await new Promise(resolve => onShutdown({ begin: resolve, atOnce: () => undefined }));
  assert.equal(begun, 'SIGTERM');
});
