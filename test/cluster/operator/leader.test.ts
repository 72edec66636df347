// Operators as processes and as accounts on a real API server: two at once, one frozen, one for a few namespaces only.
// Never shortens the times of the lease: they are the ones that people run.
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { OPERATOR_RULES, type RbacRule } from '../../../src/operator/core/rbac.ts';
import { aHome, type Running } from '../../cli/bigo.ts';
import { writeVerbs } from '../tools/audit.ts';
import { skipWithoutCluster } from '../tools/cluster.ts';
import { od, OperatorRig, operatorNamespace, userOf } from './rig.ts';

const lifeMsMax = 170_000;
const spec = {
  ollama: { models: ['llama3.2:1b'], storage: { mode: 'ephemeral' } },
  gateway: { enabled: false },
};

describe('who leads on a real API server', { skip: await skipWithoutCluster() }, () => {
  let rig: OperatorRig;
  before(async () => {
    rig = await OperatorRig.start();
  });
  after(() => rig?.stop());

  const create = (namespace: string, name: string) =>
    rig.cluster.admin.create({ ...od(namespace, name), metadata: { name, namespace }, spec });
  const setOf = (namespace: string, name: string) =>
    rig.cluster.admin.find({ apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name: `${name}-ollama` });
  const scale = (namespace: string, replicas: number) =>
    rig.cluster.admin.patch(od(namespace, 'chat'), { spec: { ollama: { replicas } } });
  const areWanted = (namespace: string, replicas: number) => async () =>
    (await setOf(namespace, 'chat'))?.['spec'].replicas === replicas;

  const startProcess = async (t: TestContext, account: string): Promise<Running> => {
    const kubeconfig = await rig.cluster.kubeconfig({
      namespace: operatorNamespace,
      serviceAccount: account,
    });
    const where = [
      '--kubeconfig',
      kubeconfig,
      '--lease-namespace',
      operatorNamespace,
      '--admin',
      '127.0.0.1:0',
    ];
    const running = aHome(t).start(['operator', ...where], { timeMsMax: lifeMsMax });
    await running.see('stdout', /"event":"ready"/);
    return running;
  };
  const holder = async (): Promise<string> => {
    const ref = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      namespace: operatorNamespace,
      name: 'bigo-operator',
    };
    return String((await rig.cluster.admin.find(ref))?.['spec'].holderIdentity ?? '');
  };
  const writesBy = async (account: string, since: number) =>
    (await rig.cluster.audit({ since, user: userOf(account), verbs: writeVerbs })).map(
      entry => `${entry.verb} ${entry.requestURI}`,
    );

  it('a leader that was frozen for longer than its lease writes nothing when it goes on, and ends', async t => {
    const namespace = await rig.cluster.namespace(t);
    for (const account of ['one', 'two']) await rig.account(account);
    const one = await startProcess(t, 'one');
    await rig.until('the first one leads', async () => (await holder()) !== '');
    const firstHolder = await holder();
    const two = await startProcess(t, 'two');
    await create(namespace, 'chat');
    await rig.until('it acts', areWanted(namespace, 1));
    assert.equal(await holder(), firstHolder);
    assert.deepEqual(await writesBy('two', 0), [], 'a stand-in writes nothing');
    await rig.quiet();

    one.child.kill('SIGSTOP');
    const frozen = await rig.cluster.auditMark();
    await scale(namespace, 3);
    await rig.until('the other one takes over and acts', areWanted(namespace, 3));
    assert.notEqual(await holder(), firstHolder);
    await scale(namespace, 2);
    one.child.kill('SIGCONT');
    const { code } = await one.ended;
    assert.equal(code, 1, one.stderr);
    assert.deepEqual(await writesBy('one', frozen), [], 'not even of the lease');
    await rig.until('the other one goes on', areWanted(namespace, 2));

    const again = await startProcess(t, 'one');
    two.child.kill('SIGTERM');
    assert.equal((await two.ended).code, 0, two.stderr);
    await scale(namespace, 1);
    await rig.until('the first one leads again', areWanted(namespace, 1));
    again.child.kill('SIGTERM');
    assert.equal((await again.ended).code, 0, again.stderr);
    for (const account of ['one', 'two']) assert.deepEqual(await rig.refusals(account), []);
  });

  it('with --namespaces looks after these alone, with rights in these alone, and names a right that is missing', async t => {
    const [a, b, other] = [
      await rig.cluster.namespace(t),
      await rig.cluster.namespace(t),
      await rig.cluster.namespace(t),
    ];
    await rig.account('narrow', [a, b]);
    const operator = await rig.operator({ account: 'narrow', namespaces: [a, b] });
    t.after(() => operator.close());
    for (const namespace of [a, b, other]) await create(namespace, 'chat');
    for (const namespace of [a, b]) await rig.until('it acts', areWanted(namespace, 1));
    await rig.until(
      'it tells',
      async () => (await rig.cluster.admin.get(od(b, 'chat')))['status'] !== undefined,
    );
    await rig.quiet();
    assert.equal(await setOf(other, 'chat'), undefined);
    assert.equal((await rig.cluster.admin.get(od(other, 'chat')))['status'], undefined);
    const asked = await rig.cluster.audit({ user: userOf('narrow') });
    const outside = asked.filter(({ objectRef }) => {
      if (objectRef?.resource === undefined) return false;
      const isLease = objectRef.resource === 'leases' && objectRef.namespace === operatorNamespace;
      return !isLease && objectRef.namespace !== a && objectRef.namespace !== b;
    });
    assert.deepEqual(
      outside.map(entry => `${entry.verb} ${entry.requestURI}`),
      [],
    );
    assert.deepEqual(await rig.refusals('narrow'), []);

    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', namespace: b, name: 'narrow' };
    const isLess = ({ resources }: RbacRule) => resources.includes('services');
    const less = OPERATOR_RULES.map(rule =>
      isLess(rule) ? { ...rule, verbs: rule.verbs.filter(verb => verb !== 'patch') } : rule,
    );
    const degraded = async () => rig.condition(await rig.cluster.admin.get(od(b, 'chat')), 'Degraded');
    let port = 8_000;
    const knock = () =>
      rig.cluster.admin.patch(od(b, 'chat'), { spec: { ollama: { service: { port: ++port } } } });
    await rig.cluster.admin.patch(role, { rules: less });
    // The server takes the rule in a moment later.
    await rig.until('the missing right is named', async () => {
      await knock();
      return (await degraded())?.reason === 'Forbidden';
    });
    assert.match((await degraded())?.message ?? '', /cannot patch resource "services"/);
    await rig.cluster.admin.patch(role, { rules: OPERATOR_RULES });
    await rig.until('it goes on', async () => {
      await knock();
      return (await degraded())?.status === 'False';
    });
  });
});
