// Pods as backends against a real API server, as a service account that may only look at pods of its namespace.
// Never asks as an admin; the admin of the test plays kubelet and scheduler.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DRAIN_UNTIL } from '../../src/fleet/core/pods.ts';
import { PodDiscovery } from '../../src/fleet/kubernetes.ts';
import { createKubeClient } from '../../src/platform/kube/client.ts';
import { kubeAccess } from '../../src/platform/kube/kubeconfig.ts';
import { endAll } from '../tools/end-all.ts';
import { until } from '../tools/until.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import { addNode, finishPod, reportPod } from './tools/pretend.ts';

const roles = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: gateway}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gateway}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gateway}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway}
subjects: [{kind: ServiceAccount, name: gateway}]
`;

const pod = (name: string, app: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${app}}}
spec: {nodeName: gpu-1, terminationGracePeriodSeconds: 60, containers: [{name: ollama, image: none}]}
`;

describe('pods of a real API server as backends', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane();
  });
  after(() => cluster.stop());

  it('are found, drained by annotation and by deletion, and stay while the API server is away', async t => {
    const namespace = await cluster.namespace(t);
    const { admin } = cluster;
    await addNode(admin, { name: 'gpu-1' });
    await admin.applyYaml(roles, namespace);
    await admin.applyYaml(pod('chat-ollama-0', 'ollama'), namespace);
    await admin.applyYaml(pod('chat-gateway-x', 'gateway'), namespace);
    const file = await cluster.kubeconfig({ namespace, serviceAccount: 'gateway' });
    const client = createKubeClient(kubeAccess({ file, env: {} }), {
      userAgent: 'bigo-gateway/test',
      nowMs: () => performance.now(),
      requestMsMax: 15_000,
    });
    const discovery = new PodDiscovery(
      { selector: 'app=ollama', namespace, port: 11_434, slots: 4, gatewaySelector: 'app=gateway' },
      {
        client,
        namespace,
        wallMs: Date.now,
        rng: Math.random,
        log: { debug() {}, info() {}, warn() {} },
        onChange: () => {},
      },
    );
    t.after(() =>
      endAll(
        () => discovery.stop(),
        () => client.close(),
      ),
    );
    const seen = () => JSON.stringify(discovery.latest);
    const names = () => discovery.latest.specs.map(({ name, url, slots }) => `${name} ${url} ${slots}`);
    const annotate = (text: string | null) => {
      const ref = { apiVersion: 'v1', kind: 'Pod', namespace, name: 'chat-ollama-0' };
      return admin.patch(ref, { metadata: { annotations: { [DRAIN_UNTIL]: text } } }, 'merge');
    };

    discovery.start();
    await discovery.looked;
    assert.deepEqual(names(), [], 'a pod without an address');
    await reportPod(admin, { namespace, name: 'chat-ollama-0' }, { podIP: '10.9.0.1', ready: false });
    await until('the pod', () => names().length === 1, seen);
    assert.deepEqual(names(), ['chat-ollama-0 http://10.9.0.1:11434 4']);

    await annotate(new Date(Date.now() + 600_000).toISOString());
    await until('the planned drain', () => discovery.latest.draining.has('chat-ollama-0'), seen);
    await annotate(null);
    await until('the end of the planned drain', () => discovery.latest.draining.size === 0, seen);

    await cluster.stopApiServer();
    await sleep(500);
    assert.equal(names().length, 1);
    await cluster.startApiServer();
    await admin.send('DELETE', `/api/v1/namespaces/${namespace}/pods/chat-ollama-0`);
    await until('the drain by deletion', () => discovery.latest.draining.has('chat-ollama-0'), seen);
    await finishPod(admin, { namespace, name: 'chat-ollama-0' });
    await until('the end of the pod', () => names().length === 0, seen);
  });
});
