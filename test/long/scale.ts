// `npm run scale [-- RESOURCES]`: so many resources of three replicas on a real control plane, and what the operator costs then.
// Never judges the control plane: its limits are raised and printed. Ends with 1 when a promise is not held.
import { cpus, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuditEntry, writeVerbs } from '../cluster/tools/audit.ts';
import { inOwnNetwork } from './own-network.ts';
import { RAISED, World } from './world.ts';

const model = 'llama3.2:1b';
const namespaces = 10;
const createdAtOnce = 16;
const stillSeconds = 60;
const settleMsMax = 40 * 60_000;

const promises = { lastWriteSecondsMax: 5, writesMax: 0, cpuPercentMax: 2, memoryMibMax: 300 };

interface Step {
  readonly resources: number;
  readonly settledSeconds: number;
  /** CPU of the operator per pass in which nothing is to be done. */
  readonly passMs: number;
  readonly memoryMib: number;
}

const ref = (index: number) => ({
  apiVersion: 'llm.geeper.io/v1alpha1',
  kind: 'OllamaDeployment',
  namespace: `fleet-${index % namespaces}`,
  name: `chat-${index}`,
});

async function atOnce(indexes: readonly number[], each: (index: number) => Promise<unknown>): Promise<void> {
  const left = [...indexes];
  const worker = async (): Promise<void> => {
    for (let index = left.shift(); index !== undefined; index = left.shift()) await each(index);
  };
  await Promise.all(Array.from({ length: createdAtOnce }, worker));
}

async function declare(world: World, index: number): Promise<void> {
  const { namespace, name, ...kind } = ref(index);
  const spec = {
    ollama: { models: [model], replicas: 3, storage: { mode: 'ephemeral' } },
    gateway: { replicas: 1 },
  };
  await world.cluster.admin.create({ ...kind, metadata: { name, namespace }, spec });
}

async function readyCount(world: World): Promise<number> {
  const { namespace: _namespace, name: _name, ...kind } = ref(0);
  const all = await world.cluster.admin.list(kind);
  return all.filter(found => found['status']?.phase === 'Ready').length;
}

async function until(world: World, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + settleMsMax;
  while (!(await isSo())) {
    if (!world.operator.isRunning) throw new Error('the operator ended: its log above says why');
    if (performance.now() > endMs) throw new Error(`not in ${settleMsMax / 1000} s: ${what}`);
    await sleep(1_000);
  }
}

/** Nothing is written for so long. */
async function quiet(world: World, seconds: number): Promise<void> {
  for (;;) {
    const mark = await world.cluster.auditMark();
    await sleep(seconds * 1000);
    if ((await world.operatorWrites(mark)).length === 0) return;
  }
}

async function passMs(world: World, resources: number): Promise<number> {
  const { operator, cluster } = world;
  const passes = () => operator.metric('controller_runtime_reconcile_total');
  const [before, cpuBefore] = [await passes(), await operator.cpuSeconds()];
  const indexes = Array.from({ length: resources }, (_, index) => index);
  const look = String(performance.now());
  await atOnce(indexes, index =>
    cluster.admin.patch(ref(index), { metadata: { annotations: { look } } }, 'merge'),
  );
  await until(world, 'every resource was looked at', async () => (await passes()) - before >= resources);
  return (((await operator.cpuSeconds()) - cpuBefore) * 1000) / ((await passes()) - before);
}

async function grow(world: World, from: number, to: number): Promise<Step> {
  const startMs = performance.now();
  const indexes = Array.from({ length: to - from }, (_, index) => from + index);
  await atOnce(indexes, index => declare(world, index));
  await until(world, `${to} resources are ready`, async () => (await readyCount(world)) === to);
  const settledSeconds = (performance.now() - startMs) / 1000;
  await quiet(world, 6);
  const cost = await passMs(world, to);
  const { now } = await world.operator.memoryMib();
  const step = { resources: to, settledSeconds, passMs: cost, memoryMib: now };
  console.log(
    `${to} resources: ready after ${settledSeconds.toFixed(0)} s, ${cost.toFixed(2)} ms of CPU per pass, ${now} MiB`,
  );
  return step;
}

const timeOf = ({ requestReceivedTimestamp }: AuditEntry) => Date.parse(requestReceivedTimestamp);

/** Seconds from the last thing that happened to a child to the operator's last write. */
async function lastWriteSeconds(world: World, since: number): Promise<number> {
  const operators = await world.operatorWrites(since);
  const children = ['pods', 'statefulsets', 'deployments', 'replicasets'];
  const all = await world.cluster.audit({ since, verbs: writeVerbs });
  const users = new Set(operators.map(({ user }) => user.username));
  const events = all.filter(
    ({ objectRef, user }) => children.includes(objectRef?.resource ?? '') && !users.has(user.username),
  );
  const last = (entries: readonly AuditEntry[]) =>
    entries.reduce((most, entry) => Math.max(most, timeOf(entry)), 0);
  return (last(operators) - last(events)) / 1000;
}

async function main(resources: number): Promise<number> {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, node ${process.version}`,
  );
  for (const [server, flags] of Object.entries(RAISED)) console.log(`${server} ${flags.join(' ')}`);
  const world = await World.start(model);
  try {
    for (let index = 0; index < namespaces; index++) {
      await world.cluster.admin.create({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: `fleet-${index}` },
      });
    }
    const sizes = [10, 100, 1_000].filter(size => size < resources);
    const steps: Step[] = [];
    let mark = 0;
    for (const size of [...sizes, resources]) {
      mark = await world.cluster.auditMark();
      steps.push(await grow(world, steps.at(-1)?.resources ?? 0, size));
    }
    return await judge(world, steps, mark);
  } finally {
    await world.stop();
  }
}

/** `grown`: where the audit log of the last step begins. */
async function judge(world: World, steps: readonly Step[], grown: number): Promise<number> {
  const late = await lastWriteSeconds(world, grown);
  await quiet(world, 6);
  const mark = await world.cluster.auditMark();
  const [cpuBefore, startMs] = [await world.operator.cpuSeconds(), performance.now()];
  await sleep(stillSeconds * 1000);
  const cpuPercent =
    (((await world.operator.cpuSeconds()) - cpuBefore) * 100_000) / (performance.now() - startMs);
  const writes = (await world.operatorWrites(mark)).length;
  const { now, most } = await world.operator.memoryMib();
  const [first, last] = [steps[0], steps.at(-1)];
  const growth = (last?.passMs ?? 0) / (first?.passMs ?? 1);
  console.log(
    `last write ${late.toFixed(1)} s after the last event of a child (at most ${promises.lastWriteSecondsMax})`,
  );
  console.log(`${writes} writes in ${stillSeconds} s of calm (at most ${promises.writesMax})`);
  console.log(`${cpuPercent.toFixed(2)} % of a core in calm (below ${promises.cpuPercentMax})`);
  console.log(`${now} MiB resident, at most ${most} so far (at most ${promises.memoryMibMax})`);
  console.log(
    `a pass costs ${growth.toFixed(2)} times as much at ${last?.resources} as at ${first?.resources} resources`,
  );
  const isHeld =
    late <= promises.lastWriteSecondsMax &&
    writes <= promises.writesMax &&
    cpuPercent < promises.cpuPercentMax &&
    now <= promises.memoryMibMax;
  return isHeld ? 0 : 1;
}

process.exitCode = await inOwnNetwork(() => main(Number(process.argv[2] ?? 1_000)));
