// Fleets, pods and events of a cluster as a person reads them. Never asks the cluster.
import type { KubeObject } from '../../api/kube-object.ts';
import type { Status } from '../../api/ollama-deployment/status.ts';
import type { Cell, Row } from './table.ts';

/** As a status is stored; older ones may lack anything. */
const statusOf = (fleet: KubeObject): Status => fleet['status'] ?? {};

export function fleetRows(fleets: readonly KubeObject[]): Row[] {
  return fleets.map(fleet => {
    const status = statusOf(fleet);
    const { phase = 'Pending', readyReplicas = 0, totalReplicas = 0, modelsReady = '' } = status;
    const ready = `${readyReplicas}/${totalReplicas}`;
    return [
      `${fleet.metadata.namespace ?? ''}/${fleet.metadata.name}`,
      phaseCell(phase),
      ready,
      modelsReady,
      status.endpoints?.external?.[0] ?? status.endpoints?.internal ?? '',
    ];
  });
}

function phaseCell(phase: string): Cell {
  return { text: phase, style: phase === 'Ready' ? 'green' : 'yellow' };
}

/** Conditions that say something is wrong: those that should be False are named. */
const BAD_WHEN_TRUE = new Set(['Degraded', 'NodeLost']);

export function troubles(fleet: KubeObject): string[] {
  const conditions = statusOf(fleet).conditions ?? [];
  const wrong = conditions.filter(({ type, status, reason }) => {
    if (type === 'Progressing' || reason === 'Disabled') return false;
    return BAD_WHEN_TRUE.has(type) ? status === 'True' : status === 'False';
  });
  return wrong.map(({ type, reason, message }) => `${type}: ${reason}: ${message}`);
}

export function modelRows(fleet: KubeObject): Row[] {
  return (statusOf(fleet).models ?? []).map(({ name, ready, state, message = '' }) => [
    name,
    ready,
    { text: state, style: state === 'present' ? 'green' : state === 'failed' ? 'red' : 'yellow' },
    message,
  ]);
}

interface PodFields {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount?: number }[];
  };
}

export function podRows(pods: readonly KubeObject[]): Row[] {
  return pods.map(pod => {
    const { spec, status } = pod as PodFields;
    const isReady =
      status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
    const restarts = (status?.containerStatuses ?? []).reduce(
      (sum, { restartCount = 0 }) => sum + restartCount,
      0,
    );
    const state = pod.metadata.deletionTimestamp === undefined ? (status?.phase ?? 'Pending') : 'Ending';
    return [
      pod.metadata.name,
      { text: isReady ? 'ready' : state, style: isReady ? 'green' : 'yellow' },
      String(restarts),
      spec?.nodeName ?? '',
    ];
  });
}

interface EventFields {
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly note?: string;
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
  readonly count?: number;
}

/** When it was seen last. */
export function eventTime(event: KubeObject): string {
  const { lastTimestamp, eventTime: at } = event as EventFields;
  return lastTimestamp ?? at ?? event.metadata.creationTimestamp ?? '';
}

/** Of the fleet itself and of what it became. */
export function concerns(event: KubeObject, fleet: string): boolean {
  const { name = '' } = (event as EventFields).involvedObject ?? {};
  return name === fleet || name.startsWith(`${fleet}-`) || name.includes(`-${fleet}-`);
}

export function eventRows(events: readonly KubeObject[], nowMs: number): Row[] {
  return events.map(event => {
    const { type = 'Normal', reason = '', message, note, involvedObject } = event as EventFields;
    return [
      ageText(nowMs - Date.parse(eventTime(event))),
      type === 'Normal' ? type : { text: type, style: 'yellow' },
      reason,
      `${involvedObject?.kind ?? ''}/${involvedObject?.name ?? ''}`,
      message ?? note ?? '',
    ];
  });
}

const STEPS: readonly (readonly [unit: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];

function ageText(ms: number): string {
  if (!Number.isFinite(ms)) return '';
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [unit, size] = STEPS.find(([, step]) => seconds >= step) ?? ['s', 1];
  return `${Math.floor(seconds / size)}${unit}`;
}
