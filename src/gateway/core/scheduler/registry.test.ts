// A registry holds what a Map of the same calls would hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Registry } from './registry.ts';

const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const calls = fc.array(fc.record({ id: ids, thing: fc.nat(), deletes: fc.boolean() }), { maxLength: 60 });

test('after any calls a registry and a Map hold the same', () => {
  fc.assert(
    fc.property(calls, all => {
      const registry = new Registry<number>();
      const map = new Map<string, number>();
      for (const { id, thing, deletes } of all) {
        if (deletes) assert.equal(registry.delete(id), map.delete(id));
        else {
          registry.set(id, thing);
          map.set(id, thing);
        }
        assert.equal(registry.size, map.size);
        assert.equal(registry.get(id), map.get(id));
        assert.equal(registry.has(id), map.has(id));
      }
      const inOrder = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
      assert.deepEqual(inOrder(registry.values()), inOrder(map.values()));
      registry.clear();
      assert.equal(registry.size, 0);
      assert.equal(registry.get('a'), undefined);
    }),
  );
});
