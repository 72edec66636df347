// The operator beside a real API server that has no place left, loses etcd or stands still: it waits as it is asked to, and ends where it should.
// Places are held, never hammered for: what is refused does not depend on how fast this machine is.
import assert from 'node:assert/strict';
import type { ClientRequest } from 'node:http';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningOperator } from '../../../src/operator/operator.ts';
import { endAll } from '../../tools/end-all.ts';
import type { AuditEntry } from '../tools/audit.ts';
import { skipWithoutCluster } from '../tools/cluster.ts';
import type { Credentials } from '../tools/kube-client.ts';
import { od, operatorUser, OperatorRig } from './rig.ts';

const readsMax = 8;
const writesMax = 4;
const faultMs = 3_000;
/** What a real server asks for when it has no place left; dates in the audit log are not more exact than this allows. */
const retryAfterMs = 1_000;
const slackMs = 50;

/** Older than priority and fairness, and the same for everybody but admins: so many requests at once, then 429. */
const flags = {
  'kube-apiserver': [
    '--enable-priority-and-fairness=false',
    `--max-requests-inflight=${readsMax}`,
    `--max-mutating-requests-inflight=${writesMax}`,
  ],
};

describe('an overloaded API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  let places: Places;
  before(async () => {
    rig = await OperatorRig.start({ flags });
    // Long enough that the faults below are no question of who leads: test/cluster/operator/leader.test.ts asks that.
    const lease = { durationMs: 60_000, renewDeadlineMs: 50_000, retryMs: 2_000 };
    operator = await rig.operator({ limits: { lease, secretRoundMs: 60_000 } });
    await operator.leading;
    places = new Places(rig, await fillNamespace(rig));
  });
  after(() =>
    endAll(
      () => places?.release(),
      () => operator?.close(),
      () => rig?.stop(),
    ),
  );

  const create = (namespace: string) =>
    rig.cluster.admin.create({
      ...od(namespace, 'chat'),
      metadata: { name: 'chat', namespace },
      spec: { ollama: { models: ['llama3.2:1b'], storage: { mode: 'ephemeral' } }, gateway: { replicas: 1 } },
    });
  const isServing = (namespace: string) => async () => {
    const found = await rig.cluster.admin.find(od(namespace, 'chat'));
    return rig.condition(found, 'Available')?.status === 'True';
  };
  /** Each object of the fleet came to be by one write, however often it was tried. */
  const assertWrittenOnce = async (namespace: string, since: number): Promise<void> => {
    await rig.quiet(1_000, namespace);
    const done = (await rig.writes(since)).filter(entry => isDone(entry) && isOfChild(entry, namespace));
    const counts = new Map<string, number>();
    for (const { objectRef } of done) {
      const name = `${objectRef?.resource} ${objectRef?.name}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.ok(counts.has('statefulsets chat-ollama') && counts.has('deployments chat-gateway'));
    assert.deepEqual(
      [...counts].filter(([, count]) => count !== 1),
      [],
    );
  };

  it('has no place left: what is refused is tried again after the time that it asks for, and is done once', async t => {
    const namespace = await rig.cluster.namespace(t);
    const since = await rig.cluster.auditMark();
    await places.holdAll();
    await create(namespace);
    await sleep(faultMs);
    assert.equal(await rig.cluster.admin.find(setOf(namespace)), undefined, 'no place, no write');
    // From then on pods and their owners bring news, for which the operator looks at once.
    const refused = (await rig.cluster.audit({ since, user: operatorUser })).filter(is429);
    places.release();
    await rig.until('the fleet serves', isServing(namespace));
    const requests = timesByRequest(refused);
    assert.ok(requests.size > 0, 'the operator was refused');
    for (const [what, times] of requests) {
      const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
      const tooSoon = pauses.filter(ms => ms < retryAfterMs - slackMs);
      assert.deepEqual(tooSoon, [], `${what} came again too soon`);
    }
    await assertWrittenOnce(namespace, since);
  });

  it('has lost etcd: nothing is half done for ever, and nothing is done twice', async t => {
    const namespace = await rig.cluster.namespace(t);
    const since = await rig.cluster.auditMark();
    await create(namespace);
    await rig.cluster.server('etcd').end('SIGKILL');
    await sleep(faultMs);
    await rig.cluster.server('etcd').start();
    await rig.until('the fleet serves', isServing(namespace));
    await assertWrittenOnce(namespace, since);
  });

  it('stands still: what was on its way arrives, and is not sent again', async t => {
    const namespace = await rig.cluster.namespace(t);
    const since = await rig.cluster.auditMark();
    await create(namespace);
    rig.cluster.server('kube-apiserver').signal('SIGSTOP');
    await sleep(faultMs);
    rig.cluster.server('kube-apiserver').signal('SIGCONT');
    await rig.until('the fleet serves', isServing(namespace));
    await assertWrittenOnce(namespace, since);
  });
});

const setOf = (namespace: string) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  namespace,
  name: 'chat-ollama',
});

const isDone = ({ responseStatus }: AuditEntry): boolean => (responseStatus?.code ?? 500) < 300;
const is429 = ({ responseStatus }: AuditEntry): boolean => responseStatus?.code === 429;

/** The resource's own status follows what happens, and Events tell it: they are written as often as something changes. */
function isOfChild({ objectRef }: AuditEntry, namespace: string): boolean {
  const { resource = '' } = objectRef ?? {};
  return objectRef?.namespace === namespace && resource !== 'ollamadeployments' && resource !== 'events';
}

/** But for the lease, which is tried at its own pace. */
function timesByRequest(entries: readonly AuditEntry[]): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (const { verb, requestURI, objectRef, requestReceivedTimestamp } of entries) {
    if (objectRef?.resource === 'leases') continue;
    const what = `${verb} ${requestURI}`;
    times.set(
      what,
      [...(times.get(what) ?? []), Date.parse(requestReceivedTimestamp)].toSorted((a, b) => a - b),
    );
  }
  return times;
}

const holder = { namespace: 'held', serviceAccount: 'holder' } as const;
const bigCount = 20;
const bigBytes = 900_000;

/** A list of it does not fit into the buffers between two processes: who does not read it keeps the server writing. */
async function fillNamespace({ cluster }: OperatorRig): Promise<Credentials> {
  const { namespace, serviceAccount: name } = holder;
  const { admin } = cluster;
  await admin.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await admin.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'list'] }];
  await admin.create({ apiVersion, kind: 'Role', metadata: { name, namespace }, rules });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  await admin.create({ apiVersion, kind: 'RoleBinding', metadata: { name, namespace }, roleRef, subjects });
  for (let index = 0; index < bigCount; index++) {
    const data = { text: 'x'.repeat(bigBytes) };
    await admin.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `big-${index}`, namespace },
      data,
    });
  }
  return cluster.credentials(holder);
}

/** Holds places of the API server: reads whose answer nobody takes, writes whose body does not end. */
class Places {
  private readonly rig: OperatorRig;
  private readonly credentials: Credentials;
  private readonly held: ClientRequest[] = [];

  constructor(rig: OperatorRig, credentials: Credentials) {
    this.rig = rig;
    this.credentials = credentials;
  }

  /** Resolves when another one is refused: from then on nobody but an admin gets a place. */
  async holdAll(): Promise<void> {
    // More than there are places: others may hold one just now and give it back.
    await this.rig.until('there is no place left', async () => {
      const answers = await Promise.all([this.hold('GET'), this.hold('POST')]);
      return answers.every(status => status === 429);
    });
  }

  release(): void {
    for (const one of this.held.splice(0)) one.destroy();
  }

  /** 429, or undefined when it got a place and holds it. */
  private hold(method: 'GET' | 'POST'): Promise<number | undefined> {
    const { url, token, ca } = this.credentials;
    const headers = {
      authorization: `Bearer ${token}`,
      ...(method === 'POST' ? { 'content-type': 'application/json', 'content-length': '1000' } : {}),
    };
    const target = `${url}/api/v1/namespaces/${holder.namespace}/configmaps`;
    const options = { method, headers, agent: false, ...(ca === undefined ? {} : { ca }) } as const;
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const one = request(target, options, answer => {
      answer.pause();
      resolve(answer.statusCode === 200 ? undefined : answer.statusCode);
      if (answer.statusCode !== 200) one.destroy();
    });
    one.on('error', reject);
    this.held.push(one);
    if (method === 'GET') one.end();
    else {
      one.write('{"kind":');
      // The server answers a write only when its body has ended; one that is refused is answered at once.
      void sleep(heldMs).then(() => resolve(undefined));
    }
    return promise;
  }
}

/** A refusal is there long before. */
const heldMs = 500;
