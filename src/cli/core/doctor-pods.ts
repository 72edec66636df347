// Findings about what runs: GPUs nobody offers, quotas that refuse pods, Ollama versions with holes, pods that do not start.
// Never counts what a node has free: the scheduler does that.
import type { KubeObject } from '../../api/kube-object.ts';
import { SAFE_OLLAMA } from '../../api/ollama-deployment/deviations.ts';
import { parseQuantity } from '../../operator/core/quantity.ts';
import {
  type ClusterFacts,
  type ClusterFinding,
  type Container,
  containersOf,
  nameOf,
  orFine,
  type Workload,
  workloads,
} from './doctor-facts.ts';
import { podTrouble } from './rollout.ts';
import { compareVersions } from './version-order.ts';

const isGpu = (resource: string): boolean =>
  /^[a-z0-9.-]+\/(gpu|mig-|vgpu)/.test(resource) || resource.startsWith('gpu.');

export function gpuFindings(facts: ClusterFacts): readonly ClusterFinding[] {
  const { nodes } = facts;
  if (nodes === undefined) return [];
  const offered = offeredBy(nodes);
  const wanted = new Map<string, Workload[]>();
  for (const workload of workloads(facts)) {
    for (const resource of gpusOf(workload))
      wanted.set(resource, [...(wanted.get(resource) ?? []), workload]);
  }
  const found = [...wanted].flatMap(([resource, users]) => {
    const there = offered.get(resource) ?? 0;
    const pods = users.reduce((sum, { replicas }) => sum + replicas, 0);
    const where = users.map(({ object }) => nameOf(object)).join(', ');
    if (there === 0) return [missingGpu({ resource, where, offered })];
    if (pods <= there) return [];
    const message = `${pods} pods want ${resource}, and all nodes together have ${there}`;
    const next = 'Fewer replicas, more nodes, or GPUs that are shared: `bigo gpu time-slicing --replicas 2`.';
    return [{ check: 'gpu', where, result: 'warn' as const, message, next }];
  });
  const list = [...offered].map(([resource, count]) => `${count} ${resource}`).join(', ');
  return orFine(found, 'gpu', wanted.size === 0 ? 'nothing asks for one' : `the nodes offer ${list}`);
}

function offeredBy(nodes: readonly KubeObject[]): Map<string, number> {
  const offered = new Map<string, number>();
  for (const node of nodes) {
    const { allocatable = {} } = (node['status'] ?? {}) as { allocatable?: Record<string, unknown> };
    for (const [resource, amount] of Object.entries(allocatable)) {
      const count = isGpu(resource) ? (parseQuantity(amount) ?? 0) : 0;
      if (count > 0) offered.set(resource, (offered.get(resource) ?? 0) + count);
    }
  }
  return offered;
}

function gpusOf({ pod }: Workload): string[] {
  const lists = containersOf(pod).flatMap(({ resources }) => [resources?.limits, resources?.requests]);
  const names = lists.flatMap(list =>
    Object.entries(list ?? {})
      .filter(([resource, amount]) => isGpu(resource) && (parseQuantity(amount) ?? 0) > 0)
      .map(([resource]) => resource),
  );
  return [...new Set(names)];
}

interface MissingGpu {
  readonly resource: string;
  readonly where: string;
  readonly offered: ReadonlyMap<string, number>;
}

function missingGpu({ resource, where, offered }: MissingGpu): ClusterFinding {
  const base = { check: 'gpu', where, result: 'fail' as const };
  const twin = resource.endsWith('.shared') ? resource.slice(0, -'.shared'.length) : `${resource}.shared`;
  if (offered.has(twin)) {
    const message = `it asks for ${resource}; the nodes offer ${twin}`;
    return { ...base, message, next: `Set gpu.resourceName to ${twin}.` };
  }
  const plugin = resource.startsWith('amd.com/')
    ? 'the device plugin of AMD'
    : 'the GPU operator or the device plugin of NVIDIA';
  return {
    ...base,
    message: `no node offers ${resource}: its pods stay Pending`,
    next: `Install ${plugin} (docs/guides/gpu-cluster.md), or run on the CPU with gpu.count 0.`,
  };
}

interface Quota {
  readonly hard?: Readonly<Record<string, unknown>>;
  readonly used?: Readonly<Record<string, unknown>>;
}

export function quotaFindings(facts: ClusterFacts): readonly ClusterFinding[] {
  const { quotas, limitRanges } = facts;
  if (quotas === undefined) return [];
  const found = quotas.flatMap(quota => {
    // Its controller writes the status a moment later.
    const spec = (quota['spec'] ?? {}) as Quota;
    const { hard = spec.hard ?? {}, used = {} } = (quota['status'] ?? {}) as Quota;
    return [
      ...ineffective(quota, hard),
      ...spent(quota, { hard, used }),
      ...(limitRanges === undefined ? [] : undefaulted(quota, hard, facts)),
    ];
  });
  const fine = quotas.length === 0 ? 'none in this namespace' : 'room is left, and every container counts';
  return orFine(found, 'quota', fine);
}

/** A quota counts extended resources by their requests alone. */
function ineffective(quota: KubeObject, hard: Readonly<Record<string, unknown>>): ClusterFinding[] {
  return Object.keys(hard)
    .filter(name => name.startsWith('limits.') && name.includes('/'))
    .map(name => ({
      check: 'quota',
      where: nameOf(quota),
      result: 'warn' as const,
      message: `${name} counts nothing`,
      next: `Write requests.${name.slice('limits.'.length)} instead.`,
    }));
}

function spent(quota: KubeObject, { hard = {}, used = {} }: Quota): ClusterFinding[] {
  return Object.entries(hard).flatMap(([name, most]) => {
    const [max, now] = [parseQuantity(most) ?? 0, parseQuantity(used[name]) ?? 0];
    if (max === 0 || now < max) return [];
    const message = `${name} is used up (${String(used[name])} of ${String(most)}): a further pod is refused`;
    return [
      {
        check: 'quota',
        where: nameOf(quota),
        result: 'warn' as const,
        message,
        next: 'Raise it, or scale down.',
      },
    ];
  });
}

/** What a quota counts every container must say, or a LimitRange says it for it. */
function undefaulted(
  quota: KubeObject,
  hard: Readonly<Record<string, unknown>>,
  facts: ClusterFacts,
): ClusterFinding[] {
  const counted = Object.keys(hard)
    .map(name =>
      /^(requests|limits)\.(cpu|memory)$/.exec(/^(cpu|memory)$/.test(name) ? `requests.${name}` : name),
    )
    .filter(match => match !== null)
    .map(([, list = '', resource = '']) => ({ list: list as 'requests' | 'limits', resource }))
    .filter(({ list, resource }) => !hasDefault(facts.limitRanges ?? [], list, resource));
  return workloads(facts).flatMap(({ object, pod }) => {
    const lacking = counted.filter(({ list, resource }) =>
      containersOf(pod).some(container => !says(container, list, resource)),
    );
    if (lacking.length === 0) return [];
    const fields = lacking.map(({ list, resource }) => `${list}.${resource}`).join(', ');
    return [
      {
        check: 'quota',
        where: `${nameOf(object)}, ${nameOf(quota)}`,
        result: 'fail' as const,
        message: `the quota counts ${fields}, and a container does not say it: its pods are refused`,
        next: 'Add a LimitRange with defaults to the namespace, or say resources in the fleet.',
      },
    ];
  });
}

function hasDefault(ranges: readonly KubeObject[], list: 'requests' | 'limits', resource: string): boolean {
  return ranges.some(range => {
    const { limits = [] } = (range['spec'] ?? {}) as { limits?: readonly Record<string, unknown>[] };
    return limits.some(limit => {
      const given = [limit['default'], ...(list === 'requests' ? [limit['defaultRequest']] : [])];
      return (
        limit['type'] === 'Container' &&
        given.some(values => values !== undefined && Object.hasOwn(values as object, resource))
      );
    });
  });
}

/** A limit is taken for the request that is missing. */
function says({ resources = {} }: Container, list: 'requests' | 'limits', resource: string): boolean {
  const { requests = {}, limits = {} } = resources;
  if (Object.hasOwn(limits, resource)) return true;
  return list === 'requests' && Object.hasOwn(requests, resource);
}

export function imageFindings(facts: ClusterFacts): readonly ClusterFinding[] {
  const found = workloads(facts).flatMap(({ object, pod }) =>
    containersOf(pod).flatMap(({ image = '' }) => {
      const match = /(?:^|\/)ollama(?::([^@]+))?(?:@.*)?$/.exec(image);
      return match === null || image.includes('@') ? [] : imageFinding(nameOf(object), image, match[1]);
    }),
  );
  return orFine(found, 'image', `every Ollama is ${SAFE_OLLAMA} or newer`);
}

function imageFinding(where: string, image: string, tag = 'latest'): ClusterFinding[] {
  const base = { check: 'image', where };
  if (!/^v?\d+\.\d+/.test(tag)) {
    const message = `${image} can be another version tomorrow`;
    return [{ ...base, result: 'warn', message, next: 'Give a version in imageTag.' }];
  }
  const version = /^v?(\d+\.\d+\.\d+)/.exec(tag)?.[1] ?? `${tag.replace(/^v/, '')}.0`;
  const isSafe = compareVersions(version, SAFE_OLLAMA) >= 0 && !/17\.1-rc/.test(tag);
  if (isSafe) return [];
  const message = `${image} gives away memory and keys to everybody who reaches it (CVE-2026-7482)`;
  return [{ ...base, result: 'fail', message, next: `Set imageTag to ${SAFE_OLLAMA} or newer.` }];
}

export function podFindings({ pods, namespace }: ClusterFacts): readonly ClusterFinding[] {
  if (pods === undefined) return [];
  const found = pods.flatMap(pod => {
    const trouble = podTrouble(pod);
    if (trouble === undefined) return [];
    const next = `kubectl -n ${namespace} describe pod ${pod.metadata.name}`;
    return [{ check: 'pods', where: nameOf(pod), result: 'fail' as const, message: trouble, next }];
  });
  return orFine(found, 'pods', `${pods.length} pods, none in trouble`);
}
