// Rules of reading Secrets, which may not be watched: each is looked at once in a round.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/kube-object.ts';
import { Cache } from './cache.ts';
import { SECRET } from './kinds.ts';
import { SecretReader } from './secrets.ts';

const runMsMax = 60_000;

const secret = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'n', uid: name, resourceVersion: '1' },
});

test('a Secret that comes while a round goes on is read before the others are read again', async () => {
  const cache = new Cache(
    () => undefined,
    () => {},
  );
  for (const name of ['a', 'b', 'c']) cache.set(SECRET, secret(name));
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), runMsMax);
  const read: string[] = [];
  const client = {
    get: async ({ name }: { readonly name: string }) => {
      if (read.length === 0) cache.set(SECRET, secret('new'));
      if (read.includes(name)) stop.abort();
      else read.push(name);
      return secret(name);
    },
  };
  await new SecretReader({ client, cache, roundMs: 100 }).run(stop.signal);
  clearTimeout(late);
  assert.deepEqual(read.toSorted(), ['a', 'b', 'c', 'new']);
});
