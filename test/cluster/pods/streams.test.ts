// No lost stream: whatever is done to the pods, an answer that began comes to its end, and a request that came is answered.
// `npm run stories` runs the same with more and longer streams.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fakeOllamaImages } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode } from '../tools/node.ts';
import { Cluster, conditionOf, stateMsMax, type Fleet } from './fleet.ts';
import { Crowd, dialects, figures, told } from './streams.ts';

/**
 * Tokens of an answer, and how fast they come: some seconds, or 20 to 60 of them. More clients than two pods have places,
 * so that each of three has streams, and one pod alone streams to `openMin` while the others wait.
 */
interface Scale {
  readonly atOnce: number;
  readonly openMin: number;
  readonly streamsMin: number;
  readonly tokenMs: number;
  readonly tokens: readonly [min: number, max: number];
  readonly drainSeconds: number;
}
const short: Scale = {
  atOnce: 24,
  openMin: 10,
  streamsMin: 200,
  tokenMs: 50,
  tokens: [40, 100],
  drainSeconds: 60,
};
const full: Scale = {
  atOnce: 52,
  openMin: 22,
  streamsMin: 400,
  tokenMs: 200,
  tokens: [100, 300],
  drainSeconds: 120,
};
const isFull = process.env['BIGO_STORIES'] === 'full';
const scale = isFull ? full : short;
/** Of everything here: a machine may be much slower than the one that it takes three minutes on. */
const storyMsMax = (isFull ? 60 : 15) * 60_000;

const model = 'tiny:latest';
const imageOf = (pod: KubeObject): string => String(pod['spec'].containers[0].image);

function ollama(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    replicas: 3,
    image: 'bigo.test/fake-ollama',
    imageTag: '1',
    models: [model],
    settings: { numParallel: scale.openMin },
    // As little as a test machine has.
    resources: { requests: { cpu: '20m', memory: '64Mi' } },
    storage: { mode: 'ephemeral', size: '64Mi' },
    rollout: { drainSeconds: scale.drainSeconds },
    ...over,
  };
}

let cluster: Cluster;

describe('fleets on pods', { skip: await skipWithoutNode(), concurrency: 2, timeout: storyMsMax }, () => {
  before(async () => {
    const flags = `--token-ms ${scale.tokenMs} --tokens-median 4000 --tokens-sigma 0 --models ["${model}"]`;
    cluster = await Cluster.start(node => fakeOllamaImages(node.plane.folder, flags));
  });
  after(() => cluster.stop());

  // Side by side: while one fleet is in trouble, the other one serves.
  describe('no stream is lost', { concurrency: 1 }, streamsAreWhole);
  if (!isFull)
    describe('trouble is named, and forgotten when it is mended', { concurrency: 1 }, troubleIsNamed);
});

function streamsAreWhole(): void {
  let fleet: Fleet;

  before(async () => {
    fleet = await cluster.fleet({ name: 'chat', ollama: ollama() });
  });

  /** Each is over when the fleet has come to rest, so that what broke a stream has a name. */
  const story: readonly (readonly [what: string, act: () => Promise<unknown>])[] = [
    [
      'scale 3 to 2',
      async () => {
        await fleet.patch({ ollama: { replicas: 2 } });
        await fleet.settled('ollama', 2);
      },
    ],
    [
      'another image',
      async () => {
        await fleet.patch({ ollama: { imageTag: '2' } });
        await fleet.settled('ollama', 2, pod => imageOf(pod).endsWith(':2'));
      },
    ],
    ['a pod is deleted', () => fleet.replace(0, 'delete', 2)],
    ['a pod is evicted', () => fleet.replace(1, 'evict', 2)],
    [
      'the operator is killed, and every gateway replaced',
      async () => {
        const before = new Set((await fleet.pods('bigo-gateway')).map(pod => pod.metadata.uid));
        await cluster.killOperator();
        await fleet.patch({ gateway: { resources: { requests: { cpu: '11m' } } } });
        await fleet.settled('bigo-gateway', 2, pod => !before.has(pod.metadata.uid));
      },
    ],
    [
      'scale 2 to 1',
      async () => {
        await fleet.patch({ ollama: { replicas: 1 } });
        await fleet.settled('ollama', 1);
      },
    ],
    ['the last pod is deleted', () => fleet.replace(0, 'delete', 1)],
  ];

  it('every stream comes to its end, whatever happens to pods', async t => {
    await fleet.ready();
    const crowd = new Crowd({ ...scale, url: await fleet.url(), model });
    t.after(() => crowd.leave());
    const startMs = Date.now();
    crowd.start();
    await crowd.until(() => new Set(crowd.streaming).size === 3, stateMsMax);
    for (const [what, act] of story) {
      const fromMs = Date.now();
      crowd.takeLeast();
      await act();
      // Whatever came to grief meanwhile belongs to this step.
      const lost = crowd.ended.filter(one => one.end !== 'whole');
      assert.deepEqual(lost.length, 0, `${what}:\n${told(lost, startMs)}`);
      const took = ((Date.now() - fromMs) / 1000).toFixed(1);
      t.diagnostic(`${what}: ${took} s, never fewer than ${crowd.takeLeast()} streams at once`);
    }
    await crowd.until(() => crowd.ended.length + scale.atOnce >= scale.streamsMin, storyMsMax);
    const streams = await crowd.stop();
    const lost = streams.filter(one => one.end !== 'whole');
    assert.deepEqual(lost.length, 0, told(lost, startMs));
    for (const dialect of dialects) assert.ok(streams.some(one => one.ask.dialect === dialect));
    t.diagnostic(`${figures(streams)}; ${((Date.now() - startMs) / 1000).toFixed(0)} s in all`);
  });

  it('a killed Ollama ends its own streams with an error that says so, and no others', async t => {
    await fleet.patch({ ollama: { replicas: 2 } });
    await fleet.settled('ollama', 2);
    const victim = (await fleet.pods('ollama'))[0] as KubeObject;
    const crowd = new Crowd({ ...scale, url: await fleet.url(), model });
    t.after(() => crowd.leave());
    const startMs = Date.now();
    crowd.start();
    const onVictim = () => crowd.streaming.filter(backend => backend === victim.metadata.name).length;
    await crowd.until(() => onVictim() >= 2, stateMsMax);
    cluster.node.killContainer(victim, 'ollama');
    const killedAtMs = Date.now();
    const { length } = crowd.ended;
    await crowd.until(() => crowd.ended.length >= length + 2 * scale.atOnce, storyMsMax);
    const streams = await crowd.stop();
    const lost = streams.filter(one => one.end !== 'whole');
    assert.ok(lost.length >= 1, 'nobody was cut');
    for (const one of lost) {
      assert.equal(one.end, 'told', told([one], startMs));
      assert.equal(one.backend, victim.metadata.name, told([one], startMs));
      assert.ok(one.startedAtMs <= killedAtMs, told([one], startMs));
    }
    await fleet.settled('ollama', 2);
  });

  it('a stream that is longer than the time for the drain ends with an error that says so', async t => {
    await fleet.patch({ ollama: { replicas: 1, rollout: { drainSeconds: 3 } } });
    await fleet.settled('ollama', 1, pod => pod['spec'].terminationGracePeriodSeconds === 33);
    const url = await fleet.url();
    const long = new Crowd({ url, model, atOnce: dialects.length, tokens: [3_900, 3_900] });
    t.after(() => long.leave());
    const startMs = Date.now();
    long.start();
    await long.until(() => long.streaming.length === dialects.length, stateMsMax);
    const ended = long.stop();
    await fleet.replace(0, 'delete', 1);
    for (const one of await ended) assert.equal(one.end, 'told', told([one], startMs));
  });
}

/** Each of the images is worse than the one before; the last one is good. */
function troubleIsNamed(): void {
  let sick: Fleet;
  const cases = [
    { tag: 'nowhere', reason: 'ImagePullFailed', names: /sick-ollama-0.*bigo\.test\/fake-ollama:nowhere/ },
    { tag: 'crashing', reason: 'ContainerCrashing', names: /sick-ollama-0.*ollama.*exit code 3/ },
    { tag: 'hungry', reason: 'OutOfMemory', names: /sick-ollama-0.*resources\.limits\.memory/ },
  ];

  before(async () => {
    const resources = { requests: { cpu: '20m' }, limits: { memory: '400Mi' } };
    const few = { replicas: 1, imageTag: cases[0]?.tag, resources, rollout: { drainSeconds: 10 } };
    const small = ollama(few);
    sick = await cluster.fleet({ name: 'sick', ollama: small, gateway: { replicas: 1 } });
  });

  for (const { tag, reason, names } of cases) {
    it(`${reason}: the status names the pod and the cause`, async () => {
      await sick.patch({ ollama: { imageTag: tag } });
      const { message } = await sick.untilCondition('Degraded', reason);
      assert.match(message, names);
    });
  }

  it('with a good image the fleet is ready, and nothing is named any more', async () => {
    await sick.patch({ ollama: { imageTag: '1' } });
    const resource = await sick.ready();
    assert.equal(conditionOf(resource, 'Degraded')?.status, 'False');
    await sick.untilEvent('OutOfMemory', /sick-ollama-0/);
  });
}
