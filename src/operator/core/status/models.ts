// Rows of the status about models: each declared model over its pods, and each pod with its models, as the agents tell.
// Never says that a model is there because it should be.
import type { AgentModelState, AgentModelStatus } from '../../../api/agent-status.ts';
import { modelKey } from '../../../api/names.ts';
import type { ModelRow, PodRow } from '../../../api/ollama-deployment/status.ts';
import { declaredReplicas, nodeOf, type Observed, podsOf, workload } from './observed.ts';

type State = AgentModelState;

/** The first one that any pod is in is that of the row. */
const WORST_FIRST: readonly State[] = ['failed', 'corrupt', 'pulling', 'creating', 'pending', 'present'];
const messageCharsMax = 1024;

export function modelRows(observed: Observed): ModelRow[] {
  const { ollama } = observed.resource.spec;
  const wanted = workload(observed, 'ollama')?.wanted ?? declaredReplicas(observed, 'ollama');
  const names = [...ollama.models, ...(ollama.derivedModels ?? []).map(({ name }) => name)];
  return names.map(name => modelRow(observed, name, wanted));
}

function modelRow(observed: Observed, name: string, wanted: number): ModelRow {
  const ordinals = placedOn(observed, name).filter(ordinal => ordinal < wanted);
  const seen = ordinals.map(ordinal => modelOn(observed, podName(observed, ordinal), name));
  const states = seen.map(model => model?.state ?? 'pending');
  const ready = states.filter(state => state === 'present').length;
  const state = WORST_FIRST.find(candidate => states.includes(candidate)) ?? 'pending';
  const worst = seen.find((model, index) => states[index] === state && model?.message !== undefined);
  const digest = commonest(seen.flatMap(model => model?.digest ?? []));
  const holder = seen.find(model => model?.digest === digest && model?.sizeBytes !== undefined);
  return {
    name,
    ready: `${ready}/${ordinals.length}`,
    state,
    ...(digest === undefined ? {} : { digest }),
    ...(holder?.sizeBytes === undefined ? {} : { sizeBytes: holder.sizeBytes }),
    ...(worst?.message === undefined ? {} : { message: worst.message.slice(0, messageCharsMax) }),
  };
}

export function podRows(observed: Observed): PodRow[] {
  return podsOf(observed, 'ollama')
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map(pod => {
      const node = nodeOf(pod);
      const models = modelsOn(observed, pod.metadata.name).filter(({ declared }) => declared);
      return {
        name: pod.metadata.name,
        ...(node === undefined ? {} : { node }),
        models: models.map(podModel),
      };
    });
}

function podModel({
  name,
  state,
  percent,
  message,
}: AgentModelStatus): NonNullable<PodRow['models']>[number] {
  return {
    name,
    state,
    ...(percent === undefined ? {} : { percent: Math.floor(percent) }),
    ...(message === undefined ? {} : { message: message.slice(0, messageCharsMax) }),
  };
}

const ordinalsMax = 10;

function placedOn({ resource }: Observed, name: string): readonly number[] {
  const entry = resource.spec.ollama.placement?.find(({ model }) => modelKey(model) === modelKey(name));
  return entry?.replicas ?? Array.from({ length: ordinalsMax }, (_, ordinal) => ordinal);
}

function podName({ resource }: Observed, ordinal: number): string {
  return `${resource.metadata.name}-ollama-${ordinal}`;
}

function modelsOn({ agents, pods }: Observed, pod: string): readonly AgentModelStatus[] {
  const view = agents.get(pod);
  const isThere = pods.some(({ metadata }) => metadata.name === pod);
  return isThere && view !== undefined && 'status' in view ? view.status.models : [];
}

function modelOn(observed: Observed, pod: string, name: string): AgentModelStatus | undefined {
  return modelsOn(observed, pod).find(model => modelKey(model.name) === modelKey(name));
}

function commonest(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0];
}
