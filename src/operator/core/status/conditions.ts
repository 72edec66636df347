// The conditions of a resource, each with one of the listed reasons. Never depends on an earlier status, but for the time of the last change.
import type { ConditionReason, ConditionType } from '../../../api/condition-reasons.ts';
import type { Condition, ModelRow } from '../../../api/ollama-deployment/status.ts';
import {
  type Component,
  COMPONENTS,
  declaredReplicas,
  isEnabled,
  type Observed,
  podsOf,
  type Problem,
  workload,
} from './observed.ts';
import { lostPods } from './problems.ts';

export interface Verdict {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: ConditionReason;
  readonly message: string;
}

export interface Facts {
  readonly observed: Observed;
  readonly problems: readonly Problem[];
  readonly models: readonly ModelRow[];
}

const CONDITION_OF: Readonly<Record<Exclude<Component, 'ollama'>, ConditionType>> = {
  gateway: 'GatewayReady',
  openwebui: 'OpenWebUIReady',
  tabby: 'TabbyReady',
};

export function verdicts(facts: Facts): Readonly<Record<ConditionType, Verdict>> {
  const modelsReady = judgeModels(facts);
  const components = Object.fromEntries(
    Object.entries(CONDITION_OF).map(([component, type]) => [
      type,
      judgeComponent(facts, component as Component),
    ]),
  ) as Record<'GatewayReady' | 'OpenWebUIReady' | 'TabbyReady', Verdict>;
  return {
    ...components,
    ModelsReady: modelsReady,
    NodeLost: judgeNodes(facts.observed),
    Available: judgeAvailable(facts),
    Progressing: judgeProgress(facts, modelsReady),
    Degraded: judgeDegraded(facts, modelsReady),
    Ready: judgeReady(facts, modelsReady),
  };
}

/** The time of the last change stays as long as the status does. */
export function asConditions(
  found: Readonly<Record<ConditionType, Verdict>>,
  before: readonly Condition[],
  now: { readonly generation: number; readonly wallIso: string },
): Condition[] {
  return Object.entries(found).map(([type, verdict]) => {
    const old = before.find(condition => condition.type === type);
    const isSame = old?.status === verdict.status;
    return {
      type,
      ...verdict,
      message: verdict.message.slice(0, messageCharsMax),
      observedGeneration: now.generation,
      lastTransitionTime: isSame ? old.lastTransitionTime : now.wallIso,
    };
  });
}

const messageCharsMax = 8_000;

export interface Counts {
  readonly wanted: number;
  readonly ready: number;
  readonly isCurrent: boolean;
}

export function countsOf(observed: Observed, component: Component): Counts {
  const found = workload(observed, component);
  if (found === undefined)
    return { wanted: declaredReplicas(observed, component), ready: 0, isCurrent: false };
  const { wanted, status, object } = found;
  const isSeen = (status.observedGeneration ?? 0) >= (object.metadata.generation ?? 0);
  const isRolled = (status.updatedReplicas ?? 0) >= wanted && (status.replicas ?? 0) === wanted;
  const isOneRevision = component !== 'ollama' || status.currentRevision === status.updateRevision;
  return { wanted, ready: status.readyReplicas ?? 0, isCurrent: isSeen && isRolled && isOneRevision };
}

function judgeComponent(facts: Facts, component: Component): Verdict {
  const { observed, problems } = facts;
  if (!isEnabled(observed, component)) return no('Disabled', `${component} is switched off`);
  const { wanted, ready } = countsOf(observed, component);
  const text = `${ready} of ${wanted} pods are ready`;
  const own = problems.filter(candidate => candidate.component === component);
  // Its pods are ready, and yet it can do nothing.
  const idle = own.find(({ reason }) => reason === 'ServiceNotFound');
  if (ready >= wanted && idle === undefined) return yes('AllReady', text);
  const problem = idle ?? own[0];
  return problem === undefined ? no('Starting', text) : no(problem.reason, problem.message);
}

function judgeModels({ observed, models }: Facts): Verdict {
  const { wanted } = countsOf(observed, 'ollama');
  if (wanted === 0) return no('ScaledToZero', 'there is no pod to hold a model');
  const pods = podsOf(observed, 'ollama');
  const silent = pods.filter(pod => !('status' in (observed.agents.get(pod.metadata.name) ?? {})));
  const missing = models.filter(model => model.state !== 'present');
  if (missing.length === 0 && pods.length > 0 && silent.length === 0) {
    return yes('ModelsReady', `${models.length} of ${models.length} models are everywhere they should be`);
  }
  const bad =
    missing.find(({ state }) => state === 'failed') ?? missing.find(({ state }) => state === 'corrupt');
  if (bad !== undefined) return no(modelReason(observed, bad), `${bad.name}: ${bad.message ?? bad.state}`);
  const isUnknown = pods.some(pod => {
    const view = observed.agents.get(pod.metadata.name);
    return view !== undefined && 'isAsked' in view;
  });
  if (isUnknown) return { status: 'Unknown', reason: 'FirstVisit', message: 'the agents were not asked yet' };
  // Without the cause, which changes from try to try: a status is written when something changes.
  const unreachable = pods.filter(pod => 'unreachable' in (observed.agents.get(pod.metadata.name) ?? {}));
  if (unreachable.length > 0) {
    const silentPods = unreachable.map(({ metadata }) => metadata.name).toSorted();
    return no('AgentUnreachable', `the agent does not answer on ${silentPods.join(', ')}`);
  }
  const names = missing.map(({ name, ready }) => `${name} (${ready})`).join(', ');
  return no('ModelsPulling', names === '' ? 'no pod runs yet' : `not everywhere yet: ${names}`);
}

function modelReason({ agents }: Observed, { name, state }: ModelRow): ConditionReason {
  if (state === 'corrupt') return 'ModelCorrupt';
  const isFull = [...agents.values()].some(
    view =>
      'status' in view &&
      view.status.models.some(model => model.name === name && model.reason === 'InsufficientStorage'),
  );
  return isFull ? 'InsufficientStorage' : 'ModelsFailed';
}

function judgeNodes(observed: Observed): Verdict {
  const lost = lostPods(observed);
  return lost.length === 0
    ? no('NodesReady', 'every node that has a pod answers')
    : yes('NodeNotReady', lost.join('; '));
}

function judgeAvailable({ observed, problems }: Facts): Verdict {
  const ollama = countsOf(observed, 'ollama');
  const isFronted = isEnabled(observed, 'gateway');
  const front = isFronted ? countsOf(observed, 'gateway') : ollama;
  if (front.ready > 0 && ollama.wanted === 0) return yes('ScaledToZero', 'a request starts a pod');
  if (front.ready > 0 && ollama.ready > 0) return yes('Available', 'requests are answered');
  const problem =
    problems.find(({ component }) => component === 'ollama' || component === 'gateway') ?? problems[0];
  if (problem !== undefined) return no(problem.reason, problem.message);
  const what = front.ready > 0 ? 'no Ollama pod is ready' : 'nothing that answers is ready';
  return no('Starting', what);
}

function judgeProgress({ observed, problems }: Facts, models: Verdict): Verdict {
  if (observed.resource.metadata.deletionTimestamp !== undefined)
    return yes('Deleting', 'the resource is being deleted');
  const busy = COMPONENTS.filter(component => isEnabled(observed, component)).filter(component => {
    const { wanted, ready, isCurrent } = countsOf(observed, component);
    return !isCurrent || ready < wanted;
  });
  const stuck = problems.find(({ component }) => component !== undefined && busy.includes(component));
  if (stuck !== undefined) return no('RolloutStuck', stuck.message);
  const grow = observed.waiting.find(text => text.includes('grow'));
  if (grow !== undefined) return yes('Resizing', grow);
  const ending = observed.pods.find(({ metadata }) => metadata.deletionTimestamp !== undefined);
  if (ending !== undefined) return yes('Draining', `pod ${ending.metadata.name} finishes its streams`);
  if (busy.length > 0)
    return yes(progressReason(observed, busy), `${busy.join(', ')}: pods are not all ready and current`);
  if (models.reason === 'ModelsPulling') return yes('ModelsPulling', models.message);
  return no('RolloutComplete', 'every pod is of the present template');
}

function progressReason(observed: Observed, busy: readonly Component[]): ConditionReason {
  const workloads = busy.map(component => workload(observed, component));
  const isScaling = workloads.some(found => found !== undefined && found.status.replicas !== found.wanted);
  const isOld = workloads.some(
    found => found !== undefined && (found.status.updatedReplicas ?? 0) < (found.status.replicas ?? 0),
  );
  if (isOld) return 'RollingOut';
  return isScaling ? 'Scaling' : 'Starting';
}

function judgeDegraded({ observed, problems }: Facts, models: Verdict): Verdict {
  const [first] = problems;
  // What somebody should rewrite is told beside what is wrong now: it would come to light only after that was mended.
  if (first !== undefined) return yes(first.reason, joined([...problems, ...observed.warnings]));
  const lost = judgeNodes(observed);
  if (lost.status === 'True') return lost;
  const isBad = ['ModelsFailed', 'ModelCorrupt', 'InsufficientStorage'].includes(models.reason);
  if (isBad) return yes(models.reason, models.message);
  const [warning] = observed.warnings;
  if (warning !== undefined) return no(warning.reason, joined(observed.warnings));
  return no('AsExpected', 'nothing is wrong');
}

function judgeReady(facts: Facts, models: Verdict): Verdict {
  const { observed, problems } = facts;
  const enabled = COMPONENTS.filter(component => isEnabled(observed, component));
  const counts = enabled.map(component => countsOf(observed, component));
  const isZero = countsOf(observed, 'ollama').wanted === 0;
  const isWhole = counts.every(({ wanted, ready, isCurrent }) => ready >= wanted && isCurrent);
  const [problem] = problems;
  if (problem !== undefined) return no(problem.reason, problem.message);
  if (isWhole && isZero) return yes('ScaledToZero', 'there is no pod because there is no work');
  if (isWhole && models.status === 'True') return yes('AllReady', 'every replica and every model is ready');
  if (isWhole) return { ...models, status: models.status === 'Unknown' ? 'Unknown' : 'False' };
  const late = enabled.filter((_, index) => (counts[index]?.ready ?? 0) < (counts[index]?.wanted ?? 0));
  return no('Starting', late.length === 0 ? 'pods are being replaced' : `not all ready: ${late.join(', ')}`);
}

function joined(problems: readonly Problem[]): string {
  return [...new Set(problems.map(({ message }) => message))].join('; ');
}

function yes(reason: ConditionReason, message: string): Verdict {
  return { status: 'True', reason, message };
}

function no(reason: ConditionReason, message: string): Verdict {
  return { status: 'False', reason, message };
}
