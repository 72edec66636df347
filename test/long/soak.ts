// `npm run soak [-- MINUTES [SEED]]`: random edits by people and accidents of the cluster, on and on; then the operator must come to
// rest in the state that a fresh one would choose too. Prints its seed. Never part of `npm test`.
import { setTimeout as sleep } from 'node:timers/promises';
import { rngOf, type Rng } from '../../src/sim/rng.ts';
import { inOwnNetwork } from './own-network.ts';
import { World } from './world.ts';

const model = 'llama3.2:1b';
const namespace = 'soak';
const resourcesMax = 12;
const memoryGrowthMibMax = 100;
const settleMsMax = 10 * 60_000;
const children = ['v1 Service', 'v1 ConfigMap', 'apps/v1 StatefulSet', 'apps/v1 Deployment', 'v1 Pod'];

const refOf = (name: string) => ({
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace,
  name,
});

class Chaos {
  readonly #world: World;
  readonly #rng: Rng;
  readonly counts = new Map<string, number>();

  constructor(world: World, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
  }

  #one<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#rng() * items.length)];
    if (item === undefined) throw new RangeError('nothing to choose from');
    return item;
  }

  #name(): string {
    return `chat-${Math.floor(this.#rng() * resourcesMax)}`;
  }

  /** Edits are frequent, accidents seldom. What is refused, because it is not there for example, is part of the game. */
  async turn(): Promise<void> {
    const dice = this.#rng();
    const [what, act] =
      dice < 0.3
        ? (['create', () => this.#create()] as const)
        : dice < 0.65
          ? (['edit', () => this.#edit()] as const)
          : dice < 0.72
            ? (['delete', () => this.#world.cluster.admin.delete(refOf(this.#name()))] as const)
            : dice < 0.96
              ? (['break a child', () => this.#breakChild()] as const)
              : dice < 0.99
                ? (['kill the operator', () => this.#killOperator()] as const)
                : (['kill the API server', () => this.#killServer()] as const);
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    await act().catch(() => undefined);
  }

  #create(): Promise<unknown> {
    const { namespace: _namespace, name: _name, ...kind } = refOf('');
    const ollama = {
      models: [model],
      replicas: 1 + Math.floor(this.#rng() * 3),
      storage: { mode: 'ephemeral' },
    };
    return this.#world.cluster.admin.create({
      ...kind,
      metadata: { name: this.#name(), namespace },
      spec: { ollama, gateway: { replicas: 1 } },
    });
  }

  #edit(): Promise<unknown> {
    const spec = this.#one([
      { ollama: { replicas: 1 + Math.floor(this.#rng() * 4) } },
      { ollama: { imageTag: this.#one(['0.23.0', '0.24.0']) } },
      { ollama: { settings: { numParallel: 1 + Math.floor(this.#rng() * 4) } } },
      { ollama: { rollout: { drainSeconds: 10 + Math.floor(this.#rng() * 100) } } },
      { gateway: { enabled: this.#rng() < 0.5 } },
      { openwebui: { enabled: this.#rng() < 0.5, persistence: { enabled: false } } },
      { network: { policy: { enabled: this.#rng() < 0.5 } } },
      { monitoring: { dashboards: { enabled: this.#rng() < 0.5 } } },
    ]);
    return this.#world.cluster.admin.patch(refOf(this.#name()), { spec }, 'merge');
  }

  async #breakChild(): Promise<void> {
    const { admin } = this.#world.cluster;
    const [apiVersion = '', kind = ''] = this.#one(children).split(' ');
    const found = await admin.list({ apiVersion, kind, namespace }, 'ollama-deployment');
    const child = this.#one(found);
    const ref = { apiVersion, kind, namespace, name: child.metadata.name };
    if (this.#rng() < 0.5) await admin.delete(ref);
    else await admin.patch(ref, { metadata: { labels: { 'app.kubernetes.io/part-of': 'chaos' } } }, 'merge');
  }

  async #killOperator(): Promise<void> {
    await this.#world.operator.end('SIGKILL');
    await this.#world.startOperator();
  }

  async #killServer(): Promise<void> {
    await this.#world.cluster.stopApiServer('SIGKILL');
    await this.#world.cluster.startApiServer();
  }
}

async function restart(world: World): Promise<void> {
  await world.operator.end('SIGTERM');
  await world.startOperator();
}

/** Nothing written for ten seconds, every resource seen. */
async function rest(world: World): Promise<void> {
  const endMs = performance.now() + settleMsMax;
  const { name: _name, ...all } = refOf('');
  for (;;) {
    const mark = await world.cluster.auditMark();
    await sleep(10_000);
    const resources = await world.cluster.admin.list(all);
    const late = resources.filter(
      ({ metadata, status }) =>
        (status as { observedGeneration?: number } | undefined)?.observedGeneration !== metadata.generation,
    );
    if (late.length === 0 && (await world.operatorWrites(mark)).length === 0) return;
    if (performance.now() > endMs) {
      throw new Error(`no rest: ${late.length} resources were not seen, or the operator goes on writing`);
    }
  }
}

async function main(minutes: number, seed: number): Promise<number> {
  console.log(`${minutes} minutes, seed ${seed}`);
  const world = await World.start(model);
  try {
    await world.cluster.admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    const rng = rngOf(seed);
    const chaos = new Chaos(world, rng);
    const endMs = performance.now() + minutes * 60_000;
    let tellAtMs = 0;
    const memory: number[] = [];
    while (performance.now() < endMs) {
      // One that ended by itself is started again, as its Deployment would.
      if (!world.operator.isRunning) await world.startOperator();
      await chaos.turn();
      await sleep(50 + rng() * 400);
      if (performance.now() < tellAtMs) continue;
      tellAtMs = performance.now() + 60_000;
      const { now } = await world.operator.memoryMib().catch(() => ({ now: 0 }));
      memory.push(now);
      console.log(`${[...chaos.counts].map(([what, count]) => `${what} ${count}`).join(', ')}; ${now} MiB`);
    }
    return await judge(world, memory);
  } finally {
    await world.stop();
  }
}

async function judge(world: World, memory: readonly number[]): Promise<number> {
  if (!world.operator.isRunning) await world.startOperator();
  await rest(world);
  const mark = await world.cluster.auditMark();
  await restart(world);
  await sleep(20_000);
  const writes = await world.operatorWrites(mark);
  for (const { verb, requestURI } of writes) console.log(`written after a restart: ${verb} ${requestURI}`);
  const growth = Math.max(...memory) - (memory.find(mib => mib > 0) ?? 0);
  console.log(`at rest; ${writes.length} writes of a fresh operator; memory grew by ${growth} MiB at most`);
  return writes.length === 0 && growth <= memoryGrowthMibMax ? 0 : 1;
}

const [minutes, seed] = [Number(process.argv[2] ?? 10), Number(process.argv[3] ?? Date.now() % 1_000_000)];
process.exitCode = await inOwnNetwork(() => main(minutes, seed));
