// The tables of docs/routing.md belong to the policy as it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stampIn, stampOf } from './routing-doc.ts';

test('the tables in docs/routing.md were made with the present policy', async () => {
  const stamp = stampOf();
  for (const name of ['ablation', 'sensitivity']) {
    assert.equal(
      await stampIn(name),
      stamp,
      `the policy decides differently now: run "node bench/ablation.ts --write"`,
    );
  }
});
