// Findings about volumes: classes that are missing, and claims that cannot be mounted where they are wanted.
// Never tells what a class can do but for those whose disks are known to go to one node only.
import type { KubeObject } from '../../api/kube-object.ts';
import {
  claimsOf,
  type ClusterFacts,
  type ClusterFinding,
  nameOf,
  orFine,
  type PodSpec,
  workloads,
} from './doctor-facts.ts';

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';
/** Their volumes are disks of one node at a time, or folders of one node. */
const ONE_NODE =
  /(ebs\.csi\.aws\.com|aws-ebs|pd\.csi\.storage\.gke\.io|gce-pd|disk\.csi\.azure\.com|azure-disk|cinder|local-path|host-?path|no-provisioner|local\.csi\.openebs\.io|openebs\.io\/local|driver\.linode|blockstorage|dobs\.csi|csi\.hetzner\.cloud|topolvm)/;

interface ClaimSpec {
  readonly accessModes?: readonly string[];
  readonly storageClassName?: string;
}
const specOf = (claim: KubeObject): ClaimSpec => claim['spec'] ?? {};
const phaseOf = (claim: KubeObject): string =>
  ((claim['status'] ?? {}) as { readonly phase?: string }).phase ?? 'Pending';

export function storageClassFindings({ storageClasses, claims = [] }: ClusterFacts): ClusterFinding[] {
  if (storageClasses === undefined) return [];
  const check = 'storage';
  const usual = storageClasses.filter(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true');
  const names = storageClasses.map(({ metadata }) => metadata.name);
  const where = 'StorageClass';
  if (names.length === 0) {
    const next =
      'Install a provisioner: docs/guides/storage.md lists some. Or set storage.mode to ephemeral for a trial.';
    return [
      {
        check,
        where,
        result: 'fail',
        message: 'this cluster has none: no claim will ever get a volume',
        next,
      },
    ];
  }
  const isWaiting = claims.some(
    claim => specOf(claim).storageClassName === undefined && phaseOf(claim) !== 'Bound',
  );
  if (usual.length === 0) {
    const next = `kubectl annotate storageclass ${names[0]} ${DEFAULT_CLASS}=true, or name a class in storage.storageClassName.`;
    const message = `none of ${names.join(', ')} is the default: a claim without a class waits for ever`;
    return [{ check, where, result: isWaiting ? 'fail' : 'warn', message, next }];
  }
  if (usual.length > 1) {
    const message = `${usual.map(({ metadata }) => metadata.name).join(' and ')} are both the default: the newest wins`;
    return [
      { check, where, result: 'warn', message, next: `Take ${DEFAULT_CLASS} from all but one of them.` },
    ];
  }
  return [{ check, where, result: 'ok', message: `the default is ${usual[0]?.metadata.name}` }];
}

export function claimFindings(facts: ClusterFacts): readonly ClusterFinding[] {
  if (facts.claims === undefined) return [];
  const found = facts.claims.flatMap(claim => [
    ...classFindings(claim, facts),
    ...sharingFindings(claim, facts),
  ]);
  return orFine(found, 'claims', `${facts.claims.length} claims, each with a class that can serve it`);
}

function classFindings(claim: KubeObject, { storageClasses }: ClusterFacts): ClusterFinding[] {
  const { storageClassName, accessModes = [] } = specOf(claim);
  if (storageClasses === undefined || storageClassName === undefined || storageClassName === '') return [];
  const isBound = phaseOf(claim) === 'Bound';
  const base = { check: 'claims', where: nameOf(claim) };
  const known = storageClasses.find(({ metadata }) => metadata.name === storageClassName);
  if (known === undefined) {
    if (isBound) return [];
    const names = storageClasses.map(({ metadata }) => metadata.name).join(', ') || 'none';
    const next = `Make the class, or name one of those that are there: ${names}. A claim cannot be changed: delete it first.`;
    return [{ ...base, result: 'fail', message: `there is no StorageClass ${storageClassName}`, next }];
  }
  const { provisioner = '' } = known as { readonly provisioner?: string };
  if (!accessModes.includes('ReadWriteMany') || !ONE_NODE.test(provisioner)) return [];
  return [
    {
      ...base,
      result: isBound ? 'warn' : 'fail',
      message: `it asks for ReadWriteMany, but ${provisioner} of class ${storageClassName} makes volumes for one node`,
      next: 'Use a class of a network file system (NFS, CephFS, EFS, Filestore, Azure Files, Longhorn), or storage.mode perReplica.',
    },
  ];
}

/** One volume that several nodes would have to mount. */
function sharingFindings(claim: KubeObject, facts: ClusterFacts): ClusterFinding[] {
  const { accessModes = [] } = specOf(claim);
  const { name } = claim.metadata;
  if (accessModes.includes('ReadWriteMany')) return [];
  const base = { check: 'claims', where: nameOf(claim) };
  const mode = accessModes.join(', ');
  const pods = (facts.pods ?? []).filter(pod => claimsOf((pod['spec'] ?? {}) as PodSpec).includes(name));
  const nodes = new Set(
    pods.map(pod => (pod['spec'] as PodSpec).nodeName).filter(node => node !== undefined),
  );
  const next =
    'One replica; or a ReadWriteMany claim; or a claim for each replica (storage.mode perReplica).';
  if (nodes.size > 1) {
    const message = `it is ${mode}, and pods on ${[...nodes].toSorted().join(', ')} want it: all but those on one node cannot start`;
    return [{ ...base, result: 'fail', message, next }];
  }
  return workloads(facts)
    .filter(({ replicas, pod }) => replicas > 1 && claimsOf(pod).includes(name))
    .map(({ object, replicas }) => ({
      ...base,
      result: mode.includes('ReadWriteOncePod') ? ('fail' as const) : ('warn' as const),
      message: `it is ${mode}, and ${nameOf(object)} has ${replicas} replicas: they start only while all are on one node`,
      next,
    }));
}
