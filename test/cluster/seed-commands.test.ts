// Every command that the documents which BigO grew from print, against a real API server with the right profile applied: its effect is checked.
// Pods are objects only. Never runs a command that needs a pod that runs: `by` in the list names the test that does.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { aHome } from '../cli/bigo.ts';
import { endAll } from '../tools/end-all.ts';
import { find } from '../tools/parts.ts';
import { anyContent } from './tools/any-content.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { announceKubelet, startKubeletLogs, type KubeletLogs } from './tools/kubelet-logs.ts';
import { addNode } from './tools/pretend.ts';
import { Reader, seedCommands } from './tools/seed-commands.ts';

const root = path.join(import.meta.dirname, '..', '..');
const commands = await seedCommands();
const kubectl = await find('kubectl');
const noCluster = await skipWithoutCluster();
const skip = noCluster === false && kubectl === undefined ? 'needs kubectl' : noCluster;
/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;

const sources = [
  { id: 'C0', folder: 'k8s/bigo' },
  { id: 'C1', folder: 'k8s/production' },
  { id: 'C2', folder: 'k8s/model-hosting' },
  { id: 'C3', folder: 'k8s/homelab' },
  { id: 'C4', folder: '.' },
] as const;
/** Nothing else is a reason not to run a command. */
const reasons = [
  'download from a repository',
  'a real certificate authority or DNS',
  "a vendor's GPU",
  'Loki',
];
const retriesMsMax = 60_000;

describe('the list of the documents’ commands', () => {
  it('says of each what becomes of it', () => {
    for (const { id, command, state, as, why, reason, expect, by } of commands) {
      assert.match(command, /^(kubectl|helm|curl|\.\/scripts\/|POD=)/, id);
      if (state === 'adapted')
        assert.ok(as !== undefined && why !== undefined, `${id} says how and why it differs`);
      if (state === 'not runnable')
        assert.ok(reasons.includes(reason ?? ''), `${id} has a reason of the list`);
      if (by === undefined && (state === 'run' || state === 'adapted'))
        assert.notEqual(expect, undefined, `${id} says what is expected`);
    }
  });

  it('holds each id once, in order', () => {
    const perSource = sources.flatMap(({ id }) => {
      const count = commands.filter(command => command.id.startsWith(`${id}-`)).length;
      return Array.from({ length: count }, (_, index) => `${id}-${String(index + 1).padStart(2, '0')}`);
    });
    assert.deepEqual(
      commands.map(({ id }) => id),
      perSource,
    );
  });
});

describe('the documents’ commands on a real API server', { skip, timeout: allMsMax }, () => {
  let cluster: ControlPlane;
  let folder = '';
  let kubelet: KubeletLogs;
  let reader: Reader;
  before(async () => {
    cluster = await startControlPlane({ audit: false });
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-seeds-'));
    await cp(path.join(root, 'k8s'), path.join(folder, 'k8s'), { recursive: true });
    kubelet = await startKubeletLogs(cluster, containerLogs);
    for (const name of ['gpu-node-1', 'gpu-node-2']) {
      await addNode(cluster.admin, { name, extended: { 'nvidia.com/gpu': '8' } });
      await announceKubelet(cluster, name, kubelet.port);
    }
    for (const volume of volumes()) await cluster.admin.create(volume);
    await cluster.admin.create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'nfs-client' },
      provisioner: 'example.test/none',
    });
    for (const definition of foreignDefinitions()) await cluster.admin.create(definition);
    await served('/apis/traefik.io/v1alpha1/ingressroutes', cluster);
    await served('/apis/cert-manager.io/v1/certificates', cluster);
    reader = new Reader({
      kubeconfig: cluster.adminKubeconfig,
      kubectl: kubectl ?? '',
      stateMsMax: retriesMsMax,
    });
  });
  after(() =>
    endAll(
      () => cluster?.stop(),
      () => kubelet?.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  for (const source of sources) {
    describe(source.folder === '.' ? 'an OllamaDeployment' : source.folder, () => {
      if (source.id === 'C4') before(() => minimalResource(cluster, folder, reader));
      const own = commands.filter(
        ({ id, state, by }) => by === undefined && id.startsWith(source.id) && state !== 'not runnable',
      );
      for (const row of own) {
        it(`${row.id} ${(row.as ?? row.command).split('\n')[0]}`, () =>
          reader.types(row, path.join(folder, row.folder ?? source.folder)));
      }
    });
  }
});

/** As the operator would have made it, without an operator that runs: what it makes is tested elsewhere. */
async function minimalResource(cluster: ControlPlane, folder: string, reader: Reader): Promise<void> {
  const ends: (() => void | Promise<void>)[] = [];
  const home = aHome({
    after: (end: () => void | Promise<void>) => void ends.push(end),
  } as Parameters<typeof aHome>[0]);
  const installed = await home.run(['install', '--no-wait', '--kubeconfig', cluster.adminKubeconfig]);
  assert.equal(installed.code, 0, installed.stderr);
  await served('/apis/llm.geeper.io/v1alpha1/ollamadeployments', cluster);
  const file = path.join(folder, 'minimal.json');
  const resource = {
    apiVersion: 'llm.geeper.io/v1alpha1',
    kind: 'OllamaDeployment',
    metadata: { name: 'minimal-ollama' },
    spec: { ollama: { models: ['llama2:7b'] } },
  };
  await writeFile(file, JSON.stringify(resource));
  await reader.shell(`kubectl apply -f ${file}`, folder);
  const rendered = await home.run(['render', file]);
  for (const end of ends) await end();
  assert.equal(rendered.code, 0, rendered.stderr);
  const objects = path.join(folder, 'minimal-objects.yaml');
  await writeFile(objects, rendered.stdout);
  await reader.shell(`kubectl apply -f ${objects}`, folder).catch((error: { stderr?: string }) => {
    // What needs Prometheus is not there; everything else is.
    assert.match(error.stderr ?? '', /no matches for kind/);
  });
}

/** As the programs write them, a line or two each. */
const containerLogs = {
  ollama: [
    'time=2026-01-06T18:26:21.023Z level=INFO source=routes.go msg="Listening on [::]:11434 (version 0.24.0)"',
    '[GIN] 2026/01/06 - 18:30:00 | 200 |         1m54s |      10.42.0.1 | POST     "/api/generate"',
    'time=2026-01-06T18:31:00.000Z level=ERROR source=sched.go msg="error loading model"',
    '',
  ].join('\n'),
  'model-manager': '{"level":"warn","msg":"may not update configmap model-usage-stats"}\n',
  'health-checker': '[PASS] Nothing is missing\n',
  fill: 'ollama-gateway-admin: 1 entries made\n',
  manager: '{"level":"info","msg":"this operator leads"}\n',
};

/** One volume for each claim, so that its pods find a node. */
function volumes(): KubeObject[] {
  const claims = [
    { namespace: 'model-hosting', name: 'ollama-pvc', accessMode: 'ReadWriteMany', storageClassName: '' },
    { namespace: 'ml', name: 'ollama', accessMode: 'ReadWriteMany', storageClassName: 'nfs-client' },
    {
      namespace: 'default',
      name: 'models-minimal-ollama-ollama-0',
      accessMode: 'ReadWriteOnce',
      storageClassName: '',
    },
  ];
  return claims.map(({ namespace, name, accessMode, storageClassName }) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `${namespace}-${name}` },
    spec: {
      accessModes: [accessMode],
      capacity: { storage: '1Ti' },
      claimRef: { namespace, name },
      hostPath: { path: '/nowhere' },
      storageClassName,
    },
  }));
}

async function served(target: string, cluster: ControlPlane): Promise<void> {
  const deadlineMs = Date.now() + retriesMsMax;
  while ((await cluster.admin.send('GET', target)).status !== 200) {
    if (Date.now() > deadlineMs) assert.fail(`${target} is not served`);
    await sleep(100);
  }
}

/** Traefik and cert-manager themselves are not here. */
function foreignDefinitions(): KubeObject[] {
  return [
    anyContent('traefik.io', 'v1alpha1', 'IngressRoute'),
    anyContent('traefik.io', 'v1alpha1', 'Middleware'),
    anyContent('cert-manager.io', 'v1', 'Certificate'),
  ];
}
