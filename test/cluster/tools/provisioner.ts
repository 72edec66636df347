// Volumes for claims of a test cluster: a folder of its own per claim, or a tmpfs of just the size asked for.
// Never touches a claim of another storage class; the folders go with the cluster.
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient, KubeObject } from './kube-client.ts';

const pollMs = 200;
const provisioner = 'bigo.test/folder';

/** `sized` claims are full when they are full; `local` ones are as large as the disk. Both may grow. */
const storageClasses = `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: local, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: ${provisioner}
allowVolumeExpansion: true
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: sized}
provisioner: ${provisioner}
parameters: {medium: Memory}
allowVolumeExpansion: true
`;

export interface ProvisionerOptions {
  readonly client: KubeClient;
  readonly folder: string;
  /** The real node that mounts the volumes; without one they are objects only, and fit every pretended node. */
  readonly node?: {
    readonly name: string;
    /** Runs a command where this node mounts. */
    readonly run: (...command: readonly string[]) => unknown;
  };
}

export class Provisioner {
  readonly #options: ProvisionerOptions;
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: ProvisionerOptions) {
    this.#options = options;
  }

  /** The folder of a claim as the test sees it; the content of a `sized` one is visible to its pods only. */
  folderOf(claim: KubeObject): string {
    return path.join(this.#options.folder, `pvc-${claim.metadata.uid}`);
  }

  async start(): Promise<void> {
    await this.#options.client.applyYaml(storageClasses);
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      // The API server may be down because a test wants it so: the next round sees what this one missed.
      await this.#pass().catch(() => undefined);
      await sleep(pollMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  async #pass(): Promise<void> {
    const { client } = this.#options;
    const claims = await client.list({ apiVersion: 'v1', kind: 'PersistentVolumeClaim' });
    for (const claim of claims) {
      const medium = { local: '', sized: 'Memory' }[String(claim['spec'].storageClassName)];
      if (medium === undefined) continue;
      if (claim['status'].phase === 'Pending' && claim['spec'].volumeName === undefined)
        await this.#provide(claim, medium);
      else if (claim['status'].phase === 'Bound') await this.#grow(claim, medium);
    }
    for (const volume of await client.list({ apiVersion: 'v1', kind: 'PersistentVolume' })) {
      if (volume['status'].phase === 'Released') await this.#reclaim(volume);
    }
  }

  async #provide(claim: KubeObject, medium: string): Promise<void> {
    const { client, node } = this.#options;
    const folder = this.folderOf(claim);
    const name = path.basename(folder);
    if ((await client.find({ apiVersion: 'v1', kind: 'PersistentVolume', name })) !== undefined) return;
    const size = String(claim['spec'].resources.requests.storage);
    await mkdir(folder, { recursive: true });
    // As a fresh disk: only root may write, until the kubelet gives it to the pod's fsGroup.
    await chmod(folder, 0o755);
    if (medium === 'Memory')
      node?.run('mount', '-t', 'tmpfs', '-o', `mode=755,size=${tmpfsSize(size)}`, 'tmpfs', folder);
    const { namespace, uid } = claim.metadata;
    await client.create({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        capacity: { storage: size },
        accessModes: claim['spec'].accessModes,
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: claim['spec'].storageClassName,
        claimRef: { kind: 'PersistentVolumeClaim', name: claim.metadata.name, namespace, uid },
        ...sourceOf(folder, node?.name),
      },
    });
  }

  /** What an external resizer does: the volume first, then the claim's status. */
  async #grow(claim: KubeObject, medium: string): Promise<void> {
    const wanted = String(claim['spec'].resources.requests.storage);
    if (claim['status'].capacity?.storage === wanted) return;
    const { client, node } = this.#options;
    const folder = this.folderOf(claim);
    if (medium === 'Memory') node?.run('mount', '-o', `remount,size=${tmpfsSize(wanted)}`, folder);
    const capacity = { capacity: { storage: wanted } };
    const volume = { apiVersion: 'v1', kind: 'PersistentVolume', name: path.basename(folder) };
    await client.patch(volume, { spec: capacity });
    const { name, namespace = '' } = claim.metadata;
    const ref = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace };
    await client.patch(ref, { status: capacity }, 'merge', 'status');
  }

  async #reclaim(volume: KubeObject): Promise<void> {
    if (volume['spec'].persistentVolumeReclaimPolicy !== 'Delete') return;
    const { client, node, folder: folders } = this.#options;
    const { name } = volume.metadata;
    const folder = path.join(folders, name);
    await client.delete({ apiVersion: 'v1', kind: 'PersistentVolume', name });
    if (volume['spec'].storageClassName === 'sized') node?.run('umount', folder);
    await rm(folder, { recursive: true, force: true });
  }
}

function sourceOf(folder: string, nodeName: string | undefined): object {
  if (nodeName === undefined) return { hostPath: { path: folder } };
  const here = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [here] }] };
  return { local: { path: folder }, nodeAffinity: { required } };
}

/** tmpfs knows k, m and g, and means powers of two by them. */
function tmpfsSize(quantity: string): string {
  const found = /^(\d+)(Ki|Mi|Gi)?$/.exec(quantity);
  if (found === null) throw new Error(`A sized claim is in bytes, Ki, Mi or Gi, not ${quantity}.`);
  return `${found[1]}${(found[2] ?? '').charAt(0).toLowerCase()}`;
}
