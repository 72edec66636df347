// Real Ollama servers on pods, with models that come from a registry: streams, a name that is wrong, bytes that go wrong.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { endAll } from '../../tools/end-all.ts';
import { find, skipUnless } from '../../tools/parts.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import { until } from '../../tools/until.ts';
import { ollamaImage } from '../tools/images.ts';
import { skipWithoutNode } from '../tools/node.ts';
import { Cluster, conditionOf, stateMsMax, type Fleet } from './fleet.ts';
import { registryForPods, type PodRegistry } from './registry.ts';
import { Crowd, figures, told } from './streams.ts';

const storyMsMax = 15 * 60_000;

const skip = (await skipWithoutNode()) || (await skipUnless('ollama', 'smollm2'));

describe('real models on pods', { skip, timeout: storyMsMax }, () => {
  let cluster: Cluster;
  let fleet: Fleet;
  let shelf: PodRegistry;
  let digest: string;
  const name = (model: string): string => `${shelf.registry.host}/library/${model}`;

  before(async () => {
    cluster = await Cluster.start(async node => {
      shelf = await registryForPods(node);
      return [await ollamaImage({ '/etc/ssl/certs/ca-certificates.crt': shelf.certificateFile })];
    });
    const gguf = (await find('smollm2')) ?? '';
    // One thread each: two of them on two busy cores stand in each other's way.
    const parameters = { num_thread: 1, num_ctx: 1024 };
    digest = await shelf.registry.addModel('library/smollm2:135m', { gguf, parameters });
    await shelf.registry.addModel('library/tiny:1', { gguf: tinyGguf(), parameters });
    fleet = await cluster.fleet({
      name: 'real',
      ollama: {
        replicas: 2,
        image: 'docker.io/ollama/ollama',
        imageTag: '0.24.0',
        models: [name('smollm2:135m'), name('wrong:1'), name('tiny:1')],
        settings: { numParallel: 2, keepAlive: '30m' },
        storage: { mode: 'perReplica', size: '1Gi' },
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '3Gi' } },
        rollout: { drainSeconds: 120 },
      },
    });
  });
  after(() =>
    endAll(
      () => cluster?.stop(),
      () => shelf?.registry.stop(),
    ),
  );

  it('of three models two serve, and the status names the one that is nowhere', async () => {
    await fleet.settled('ollama', 2);
    const rows = (resource: Awaited<ReturnType<Fleet['until']>> | undefined) =>
      (resource?.['status']?.models ?? []) as { name: string; state: string; ready: string }[];
    const resource = await fleet.until(one => rows(one).filter(row => row.ready === '2/2').length === 2);
    const found = Object.fromEntries(rows(resource).map(row => [row.name, row.state]));
    assert.deepEqual(found, {
      [name('smollm2:135m')]: 'present',
      [name('wrong:1')]: 'failed',
      [name('tiny:1')]: 'present',
    });
    const ready = conditionOf(resource, 'ModelsReady');
    assert.equal(ready?.reason, 'ModelsFailed');
    assert.ok(ready?.message.includes(name('wrong:1')), ready?.message);
    for (const model of ['smollm2:135m', 'tiny:1']) {
      const body = JSON.stringify({
        model: name(model),
        prompt: 'a',
        stream: false,
        options: { num_predict: 2 },
      });
      const answer = await fetch(`${await fleet.url()}/api/generate`, { method: 'POST', body });
      assert.equal(((await answer.json()) as { done?: boolean }).done, true);
    }
  });

  it('streams of a real model come to their end while their pods are replaced', async t => {
    const model = name('smollm2:135m');
    const crowd = new Crowd({ url: await fleet.url(), model, atOnce: 4, tokens: [40, 120] });
    t.after(() => crowd.leave());
    const startMs = Date.now();
    crowd.start();
    await crowd.until(() => crowd.streaming.length > 0, stateMsMax);
    await fleet.replace(0, 'delete', 2);
    await fleet.replace(1, 'evict', 2);
    await crowd.until(() => crowd.ended.length >= 8, stateMsMax);
    const streams = await crowd.stop();
    const lost = streams.filter(one => one.end !== 'whole');
    assert.equal(lost.length, 0, told(lost, startMs));
    t.diagnostic(figures(streams));
  });

  it('4 KiB that went wrong in the weights on one pod are noticed and mended while the other pod serves', async t => {
    const model = name('smollm2:135m');
    const claim = await cluster.node.claimFolder(fleet.namespace, 'models-real-ollama-1');
    const blob = path.join(claim, 'blobs', digest.replace(':', '-'));
    // Slow enough to see who answers meanwhile.
    shelf.registry.setFault(digest, { redirect: 'storage', bytesPerSecond: 12_000_000 });
    const before = await cluster.podAgent(fleet, 1);
    await overwrite(blob, Math.floor((await stat(blob)).size / 2), 4096);
    await cluster.untilAgent(fleet, 1, ({ models }) =>
      models.some(one => one.name === model && one.state !== 'present'),
    );
    // Its agent says so a moment before Ollama there gives the model up.
    const { podIP } = (await cluster.admin.get(fleet.pod(1)))['status'] as { podIP: string };
    await until('the model is given up there', async () => !(await modelsAt(podIP)).includes(model));
    const crowd = new Crowd({ url: await fleet.url(), model, atOnce: 2, tokens: [10, 30] });
    t.after(() => crowd.leave());
    const startMs = Date.now();
    crowd.start();
    await cluster.untilAgent(
      fleet,
      1,
      ({ models, blobs }) =>
        blobs.repaired === before.blobs.repaired + 1 &&
        models.some(one => one.name === model && one.state === 'present'),
    );
    const repairedAtMs = Date.now();
    await crowd.until(() => crowd.ended.length >= 4, stateMsMax);
    const streams = await crowd.stop();
    const lost = streams.filter(one => one.end !== 'whole');
    assert.equal(lost.length, 0, told(lost, startMs));
    const during = streams.filter(one => one.endedAtMs < repairedAtMs);
    assert.ok(
      during.every(one => one.backend === 'real-ollama-0'),
      told(during, startMs),
    );
    assert.equal(
      `sha256:${createHash('sha256')
        .update(await readFile(blob))
        .digest('hex')}`,
      digest,
    );
    await fleet.untilEvent('ModelCorrupt', /real-ollama-1/);
  });
});

async function modelsAt(podIP: string): Promise<string[]> {
  const answer = await fetch(`http://${podIP}:11434/api/tags`);
  return ((await answer.json()) as { models: { name: string }[] }).models.map(one => one.name);
}

async function overwrite(file: string, at: number, bytes: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(bytes, 0xa5), 0, bytes, at);
  await handle.close();
}
