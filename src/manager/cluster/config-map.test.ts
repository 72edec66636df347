// A ConfigMap that several write at once: conflicts, deletion, refusals and an object that is full.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/kube-object.ts';
import { KubeError } from '../../platform/kube/kube-error.ts';
import { silentLog } from '../../platform/log.ts';
import { ConfigMap } from './config-map.ts';

/** One object, with versions as the API server keeps them. */
class FakeServer {
  object: KubeObject | undefined;
  writes = 0;
  charsMax = Infinity;
  /** Called before each write. */
  before: () => void = () => {};
  private version = 0;

  readonly client = {
    get: async () => {
      if (this.object === undefined) throw new KubeError(404, {});
      return this.object;
    },
    create: async (_kind: unknown, object: KubeObject) => {
      this.before();
      if (this.object !== undefined) throw new KubeError(409, {});
      return this.set(object);
    },
    replace: async (_kind: unknown, object: KubeObject) => {
      this.before();
      if (this.object === undefined) throw new KubeError(404, {});
      const { resourceVersion } = this.object.metadata;
      if (object.metadata.resourceVersion !== resourceVersion) throw new KubeError(409, {});
      return this.set(object);
    },
  };

  set(object: KubeObject): KubeObject {
    if (JSON.stringify(object).length > this.charsMax) {
      throw new KubeError(422, {
        message: 'ConfigMap is invalid: data: Too long: must have at most 1048576 bytes',
      });
    }
    this.version += 1;
    this.writes += 1;
    this.object = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    return this.object;
  }

  map(): ConfigMap<{ n: number }> {
    return new ConfigMap({
      client: this.client,
      namespace: 'ns',
      name: 'counts',
      log: silentLog(),
      read: data => ({ n: Number(data?.['n'] ?? 0) }),
      write: ({ n }, before, attempt) => ({
        ...before,
        n: String(n),
        pad: 'x'.repeat(1_000 >> (4 * attempt)),
      }),
    });
  }
}

const addOne = (doc: { n: number }): number => (doc.n += 1);

test('changes of one moment go into one write, and each gets its own answer', async () => {
  const server = new FakeServer();
  const map = server.map();
  const answers = await Promise.all(Array.from({ length: 50 }, () => map.change(addOne)));
  assert.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, n) => n + 1),
  );
  assert.equal(server.writes, 1);
});

test('what changes nothing is not written', async () => {
  const server = new FakeServer();
  const map = server.map();
  await map.change(addOne);
  await map.change(() => undefined);
  assert.equal(server.writes, 1);
});

test('two that write at once lose nothing', async () => {
  const server = new FakeServer();
  const maps = [server.map(), server.map()];
  for (let round = 0; round < 20; round++) await Promise.all(maps.map(map => map.change(addOne)));
  assert.equal((await maps[0]?.look())?.n, 40);
});

test('an object that is deleted between reading and writing is made again from nothing', async () => {
  const server = new FakeServer();
  const map = server.map();
  await map.change(addOne);
  server.before = () => {
    server.before = () => {};
    server.object = undefined;
  };
  assert.equal(await map.change(addOne), 1);
});

test('what others keep in the object stays, and where it is full less is written', async () => {
  const server = new FakeServer();
  const map = server.map();
  await map.change(addOne);
  server.charsMax = 400;
  await map.change(addOne);
  const data = server.object?.['data'] as Record<string, string>;
  assert.deepEqual([data['n'], data['pad']?.length], ['2', 62]);
});

test('a refusal fails the changes in words, and the next ones are tried anew', async () => {
  const server = new FakeServer();
  const map = server.map();
  server.before = () => {
    throw new KubeError(403, { message: 'configmaps is forbidden' });
  };
  await assert.rejects(
    map.change(addOne),
    /The ConfigMap ns\/counts cannot be read or written: configmaps is forbidden/,
  );
  server.before = () => {};
  assert.equal(await map.change(addOne), 1);
});
