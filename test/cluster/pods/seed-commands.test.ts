// The commands of the documents that need a pod which really runs, typed on a node with the profile that they belong to applied.
// The names of the models lead to a registry of this test; the images are on the node, or come from that registry too.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { program } from '../../../scripts/image/contents.ts';
import { endAll } from '../../tools/end-all.ts';
import { find, skipUnless } from '../../tools/parts.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import {
  bigoImage,
  curlFile,
  curlImage,
  imageParts,
  metricsServerImage,
  ollamaImage,
} from '../tools/images.ts';
import { aggregationFlags, startMetricsServer, untilMetricsServed } from '../tools/metrics.ts';
import { skipWithoutNode, startNode, type RunningNode } from '../tools/node.ts';
import { Reader, seedCommands } from '../tools/seed-commands.ts';
import { stateMsMax } from './fleet.ts';
import { ollamaRegistry, registryForPods, type PodRegistry } from './registry.ts';

const storyMsMax = 15 * 60_000;
const own = 'test/cluster/pods/seed-commands.test.ts';
const root = path.join(import.meta.dirname, '..', '..', '..');
const profile = path.join(root, 'k8s', 'homelab');
const namespace = 'ml';

const skip =
  (await skipWithoutNode()) ||
  (await skipUnless('ollama', 'kubectl', 'metrics-server')) ||
  (existsSync(curlFile) ? false : 'needs curl');
const rows = (await seedCommands()).filter(({ by }) => by === own);

describe('the documents’ commands on pods that run', { skip, timeout: storyMsMax }, () => {
  let folder: string;
  let node: RunningNode;
  let shelf: PodRegistry;
  let reader: Reader;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-seeds-'));
    const flags = { 'kube-apiserver': aggregationFlags(folder) };
    node = await startNode({ flags, audit: false, outsideNames: [ollamaRegistry.name] });
    shelf = await registryForPods(node, ollamaRegistry);
    await stock(node, shelf);
    await volume(node);
    await startMetricsServer(node);
    const kubectl = (await find('kubectl')) ?? '';
    reader = new Reader({ kubeconfig: node.plane.adminKubeconfig, kubectl, stateMsMax });
    await reader.shell('kubectl apply -f k8s/homelab/', root);
    await reader.expecting(
      `kubectl rollout status deployment/ollama -n ${namespace} --timeout=90s`,
      root,
      /rolled out/,
    );
    await untilMetricsServed(node, stateMsMax);
  });
  after(() =>
    endAll(
      () => node?.stop(),
      () => shelf?.registry.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  for (const row of rows)
    it(`${row.id} ${(row.as ?? row.command).split('\n')[0]}`, () => reader.types(row, profile));
});

/** What the node runs, and what the world outside would give it. */
async function stock(node: RunningNode, { registry, certificateFile }: PodRegistry): Promise<void> {
  // It never ends by itself.
  const parameters = { num_thread: 1, num_predict: 8 };
  for (const name of ['llama3.2:1b', 'qwen2.5:3b'])
    await registry.addModel(`library/${name}`, { gguf: tinyGguf({ name }), parameters });
  const ollama = await ollamaImage({
    '/etc/ssl/certs/ca-certificates.crt': certificateFile,
    ...(await program('/bin/df', '/bin/df')),
  });
  const bigo = { ...(await bigoImage(node.plane.folder)), name: await imageOfProfile() };
  await node.addImages([ollama, bigo, await metricsServerImage()]);
  const parts = await imageParts(path.join(node.plane.folder, 'curl-image'), await curlImage());
  await registry.addImage('curlimages/curl:latest', parts);
  await node.mirror('docker.io', `https://${node.place.testAddress}:${ollamaRegistry.port}`);
}

async function imageOfProfile(): Promise<string> {
  const text = await readFile(path.join(profile, '00-prerequisites.yaml'), 'utf8');
  const objects = parseAllDocuments(text).map(document => document.toJS());
  const job = objects.find(({ kind }) => kind === 'Job');
  return String(job.spec.template.spec.containers[0].image);
}

/** The disk that the NFS of a home lab would give. */
async function volume(node: RunningNode): Promise<void> {
  const disk = path.join(node.plane.folder, 'nfs');
  await mkdir(disk);
  const here = { key: 'kubernetes.io/hostname', operator: 'In', values: ['node-1'] };
  await node.plane.admin.create({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'nfs' },
    spec: {
      capacity: { storage: '50Gi' },
      accessModes: ['ReadWriteMany'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: 'nfs-client',
      local: { path: disk },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
    },
  });
}
