// One pass over one resource: look, decide, write what differs, say how it is. Reads the cache, never an event.
// Never fails for one object: the others are made, and the status names the one that could not be.
import type { ConditionReason } from '../api/condition-reasons.ts';
import type { KubeObject } from '../api/kube-object.ts';
import { type Resolved, resolve } from '../api/ollama-deployment/resolve.ts';
import { KIND, type OllamaDeployment, resourceSchema } from '../api/ollama-deployment/resource.ts';
import type { Status } from '../api/ollama-deployment/status.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import type { AgentPoller } from './agents.ts';
import { type Applied, carryOut } from './apply.ts';
import type { Cache } from './cache.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Desired, DesiredInput, DesiredSettings, SecretTexts } from './core/desired/input.ts';
import { completeSecret, secretNeeds } from './core/desired/secrets.ts';
import { namesOf, secretNames } from './core/names.ts';
import { eventsOf } from './core/events.ts';
import { FIELD_MANAGER, plan, type Step } from './core/plan.ts';
import { isSameStatus, isOnlyProgress } from './core/status/compare.ts';
import { type Observed, podStatus, type Problem } from './core/status/observed.ts';
import { invalidStatus } from './core/status/invalid.ts';
import { statusOf } from './core/status/status.ts';
import { TerminalError } from './controller.ts';
import type { EventRecorder } from './events.ts';
import { DEPLOYMENT_RESOURCE, POD, SECRET, trim } from './kinds.ts';
import { missingReferences } from './references.ts';
import { Mender } from './rollout.ts';
import { type Autoscaler, scaledBy } from './scale.ts';
import { secretMaker, type SecretReader, secretTexts } from './secrets.ts';

export interface ReconcileOptions {
  readonly client: KubeClient;
  readonly cache: Cache;
  readonly secrets: SecretReader;
  readonly agents: AgentPoller;
  readonly events: EventRecorder;
  readonly view: ClusterView;
  readonly desired: (input: DesiredInput) => Desired;
  readonly settings: DesiredSettings & { readonly ollamaTag: string };
  readonly mayWrite: () => void;
  readonly onWrite: (verb: string, kind: string) => void;
  readonly wallIso: () => string;
  readonly nowMs: () => number;
  readonly agentUrl: (pod: KubeObject) => string | undefined;
  readonly autoscaler: Pick<Autoscaler, 'follow'>;
  /** Of the admin port. */
  readonly gatewayUrl: (pod: KubeObject) => string | undefined;
}

/** What has no event of its own: a refused object that may be accepted now, an object that is on its way out. */
const lookAgainMs = 60_000;
const waitingMs = 2_000;
const progressMsMin = 5_000;
const endingMs = 30_000;

interface Made {
  readonly steps: readonly Step[];
  readonly notes: readonly Problem[];
}

/** Served as asked; all other notes are problems. */
const WARNINGS: ReadonlySet<ConditionReason> = new Set([
  'DeprecatedFields',
  'UnpinnedImage',
  'UnsafeVersion',
  'ReplicasReduced',
  'OptionalApiMissing',
]);

export class Reconciler {
  private readonly options: ReconcileOptions;
  private readonly mender: Mender;
  private readonly progressAtMs = new Map<string, number>();
  /** Resources of namespaces that are being deleted: each object that goes would start a pass in vain. */
  private readonly endingUntilMs = new Map<string, number>();

  constructor(options: ReconcileOptions) {
    this.options = options;
    this.mender = new Mender(options);
  }

  /** Resolves with the milliseconds after which to look again, if any. */
  async pass(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { cache, agents } = this.options;
    const object = cache.get(DEPLOYMENT_RESOURCE, key);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) {
      this.options.secrets.forget(key);
      this.progressAtMs.delete(key);
      this.endingUntilMs.delete(key);
      agents.follow(key, []);
      this.options.autoscaler.follow(key, undefined);
      return undefined;
    }
    const endsInMs = (this.endingUntilMs.get(key) ?? 0) - this.options.nowMs();
    if (endsInMs > 0) return endsInMs;
    const resource = await this.read(key, object);
    const resolved = resolve(resource, this.options.settings);
    const { steps, notes } = await this.make(key, resolved);
    const warnings = notes.filter(({ reason }) => WARNINGS.has(reason));
    const problems = [
      ...notes.filter(({ reason }) => !WARNINGS.has(reason)),
      ...(await missingReferences(this.options, resolved)),
    ];
    signal.throwIfAborted();
    const applied = await carryOut(steps, { ...this.options, owner: ownerOf(object), signal });
    signal.throwIfAborted();
    if (applied.isEnding) {
      this.endingUntilMs.set(key, this.options.nowMs() + endingMs);
      return endingMs;
    }
    const children = cache.children(key);
    const pods = children.filter(({ kind }) => kind === POD.kind);
    this.followAgents(key, pods);
    await this.followDemand(key, resolved, pods);
    const observed: Observed = {
      resource,
      children: children.filter(({ kind }) => kind !== POD.kind && kind !== SECRET.kind),
      pods,
      nodeReady: this.options.view.nodeReady(),
      nodeLostSince: this.options.view.nodeLostSince(),
      agents: agents.views(key),
      createFailures: await this.options.view.createFailures(resource, children),
      storageClasses: this.options.view.storageClasses(),
      problems: [...problems, ...applied.problems],
      warnings,
      waiting: applied.waiting,
    };
    // After a restart the agents are asked first: a status that forgets what is known would only be written twice.
    const isBlind =
      object['status'] !== undefined && [...observed.agents.values()].some(view => 'isAsked' in view);
    const againMs = isBlind
      ? undefined
      : await this.tell(key, object, statusOf(observed, this.options.wallIso()));
    const mendMs = await this.mender.mend(object, observed, resolved.ollama.nodeLost);
    if (applied.retry !== undefined) throw applied.retry;
    return soonest([againMs, mendMs, pauseOf(applied), problems.length > 0 ? lookAgainMs : undefined]);
  }

  /** A new image of ours comes with the next change of the pods, so that a new operator alone restarts nothing. */
  private async make(key: string, resolved: Resolved): Promise<Made> {
    const { cache, view, desired, settings } = this.options;
    const secrets = await this.secretTexts(resolved);
    const live = cache.children(key);
    const kept = keptImages(live, resolved.name);
    const input = { resolved, settings, secrets, apis: view.apis() };
    const owner = { name: resolved.name, uid: resolved.uid, kind: KIND };
    const planOf = (wanted: Desired): Step[] =>
      plan({ owner, desired: wanted.objects, live, isServed: object => view.isServed(object) });
    const first = desired({ ...input, kept });
    const steps = planOf(first);
    const isRolling = steps.some(step => step.verb === 'apply' && step.path.startsWith('spec.template'));
    if (!isRolling) return { steps, notes: first.notes };
    const second = desired(input);
    return { steps: planOf(second), notes: second.notes };
  }

  private async secretTexts(resolved: Resolved): Promise<SecretTexts> {
    const { namespace, name } = resolved;
    const secrets: Record<string, Readonly<Record<string, string>>> = {};
    // Secrets cannot be listed: what an earlier operator made is found by its name, else it would stay for ever.
    await this.options.secrets.find(`${namespace}/${name}`, secretNames(name));
    for (const need of secretNeeds(resolved)) {
      const secret = await this.options.secrets.read(namespace, need.name);
      if (secret === undefined && !need.isOurs) continue;
      secrets[need.name] = completeSecret(need, secretTexts(secret), secretMaker);
    }
    return secrets;
  }

  private followAgents(key: string, pods: readonly KubeObject[]): void {
    const targets = pods.flatMap(pod => {
      const url = this.options.agentUrl(pod);
      const { name, uid = name, deletionTimestamp, resourceVersion: version } = pod.metadata;
      const isUp = podStatus(pod).podIP !== undefined && deletionTimestamp === undefined;
      return url === undefined || !isUp
        ? []
        : [{ pod: name, uid, url, ...(version === undefined ? {} : { version }) }];
    });
    this.options.agents.follow(key, targets);
  }

  private async followDemand(key: string, resolved: Resolved, pods: readonly KubeObject[]): Promise<void> {
    const { autoscaler, gatewayUrl, secrets } = this.options;
    const urls = pods.map(gatewayUrl).filter(url => url !== undefined);
    const wish = scaledBy(resolved, urls);
    if (wish === undefined) return autoscaler.follow(key, undefined);
    const secret = await secrets.read(resolved.namespace, namesOf(resolved.name).gatewayAdmin);
    autoscaler.follow(key, { ...wish, token: secretTexts(secret)['token'] });
  }

  /** Writes the status if it differs, then its Events: an Event is told once, with the change that it tells. */
  private async tell(key: string, object: KubeObject, status: Status): Promise<number | undefined> {
    const { client, cache, events, mayWrite, onWrite, nowMs } = this.options;
    const before = object['status'] as Status | undefined;
    if (isSameStatus(before, status)) return undefined;
    const sinceMs = nowMs() - (this.progressAtMs.get(key) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs < progressMsMin && isOnlyProgress(before, status)) return progressMsMin - sinceMs;
    const { name, namespace } = object.metadata;
    const { apiVersion, kind } = DEPLOYMENT_RESOURCE;
    mayWrite();
    onWrite('apply', `${kind}/status`);
    const written = await client.apply(
      DEPLOYMENT_RESOURCE,
      { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, status },
      { fieldManager: FIELD_MANAGER, subresource: 'status', force: true },
    );
    cache.set(DEPLOYMENT_RESOURCE, trim(DEPLOYMENT_RESOURCE)({ ...written, apiVersion, kind }));
    this.progressAtMs.set(key, nowMs());
    for (const wish of eventsOf(before, status)) await events.record(object, wish);
    return undefined;
  }

  /** The API server has checked it by the same schema; defaults are filled in here again for older objects. */
  private async read(key: string, object: KubeObject): Promise<OllamaDeployment> {
    const read = resourceSchema.safeParse(object);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    const message = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'cannot be read'}`;
    const now = { generation: object.metadata.generation ?? 0, wallIso: this.options.wallIso() };
    await this.tell(key, object, invalidStatus(object['status'] as Status | undefined, message, now));
    throw new TerminalError(message);
  }
}

function ownerOf({ kind, metadata }: KubeObject): { kind: string; name: string; uid: string } {
  return { kind, name: metadata.name, uid: metadata.uid ?? '' };
}

interface Template {
  readonly template?: {
    readonly spec?: {
      readonly containers?: readonly Container[];
      readonly initContainers?: readonly Container[];
    };
  };
}
interface Container {
  readonly name?: string;
  readonly image?: string;
}

function keptImages(live: readonly KubeObject[], name: string): { agent?: string; gateway?: string } {
  const imageIn = (kind: string, workload: string, container: string): string | undefined => {
    const object = live.find(child => child.kind === kind && child.metadata.name === workload);
    const { template } = (object?.['spec'] ?? {}) as Template;
    const containers = [...(template?.spec?.initContainers ?? []), ...(template?.spec?.containers ?? [])];
    return containers.find(candidate => candidate.name === container)?.image;
  };
  const agent = imageIn('StatefulSet', `${name}-ollama`, 'agent');
  const gateway = imageIn('Deployment', `${name}-gateway`, 'gateway');
  return { ...(agent === undefined ? {} : { agent }), ...(gateway === undefined ? {} : { gateway }) };
}

function pauseOf({ waiting, refused }: Applied): number | undefined {
  if (waiting.length > 0) return waitingMs;
  return refused > 0 ? lookAgainMs : undefined;
}

function soonest(times: readonly (number | undefined)[]): number | undefined {
  const given = times.filter(time => time !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}
