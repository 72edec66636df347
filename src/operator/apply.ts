// Carries out the steps of a plan, one request each, and tells for each whether it is done, refused or to be tried again.
// Never writes while another operator may lead, and keeps what the server answered, so that the next pass knows it.
import type { KubeObject } from '../api/kube-object.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode, KubeError } from '../platform/kube/kube-error.ts';
import type { Cache } from './cache.ts';
import { FIELD_MANAGER, type Step, type StepArguments, stepsOf, type PlanInput } from './core/plan.ts';
import type { Problem } from './core/status/observed.ts';
import { kindOf, trim } from './kinds.ts';

export interface ApplyContext {
  readonly client: Pick<KubeClient, 'get' | 'apply' | 'delete' | 'merge'>;
  readonly cache: Pick<Cache, 'set' | 'delete'>;
  readonly owner: PlanInput['owner'];
  /** Throws when this process may not write any more. */
  readonly mayWrite: () => void;
  readonly onWrite: (verb: string, kind: string) => void;
  /** The pass is too late, or the operator ends: what is left is for the next one. */
  readonly signal: AbortSignal;
}

export interface Applied {
  readonly problems: Problem[];
  /** What goes on by itself; worth another look soon. */
  readonly waiting: string[];
  /** To be tried again with back-off, the first one. */
  readonly retry: KubeError | undefined;
  readonly refused: number;
  /** The namespace is being deleted: nothing can be made in it, and nothing needs to be. */
  readonly isEnding: boolean;
}

export async function carryOut(steps: readonly Step[], context: ApplyContext): Promise<Applied> {
  const problems: Problem[] = [];
  const waiting: string[] = [];
  let retry: KubeError | undefined;
  let isGrowing = true;
  for (const step of steps) {
    context.signal.throwIfAborted();
    // Without its claims grown, a set that is made anew would only ask for the same again.
    if (step.verb === 'delete' && step.propagation === 'Orphan' && !isGrowing) continue;
    try {
      const found = await carryOutOne(step, context);
      problems.push(...(found.problem === undefined ? [] : [found.problem]));
      waiting.push(...(found.waiting === undefined ? [] : [found.waiting]));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (isNamespaceEnding(error))
        return { problems, waiting, retry: undefined, refused: 0, isEnding: true };
      // The server asks everybody to wait: the rest of the pass would only add to its load.
      if (error.code === 429) throw error;
      if (step.verb === 'growClaim') isGrowing = false;
      const problem = problemOf(step, error);
      if (problem === 'gone') continue;
      if (problem === undefined) retry ??= error;
      else problems.push(problem);
    }
  }
  const refused = problems.length;
  return { problems, waiting, retry, refused, isEnding: false };
}

interface Outcome {
  readonly problem?: Problem;
  readonly waiting?: string;
}

type Executors = {
  readonly [Verb in keyof StepArguments]: (
    step: StepArguments[Verb],
    context: ApplyContext,
  ) => Promise<Outcome>;
};

const executors: Executors = {
  create: async ({ object }, context) => {
    const kind = kindOf(object);
    const { name, namespace } = object.metadata;
    const live = await context.client.get({ kind, namespace, name }).catch((error: unknown) => {
      if (kubeCode(error) === 404) return undefined;
      throw error;
    });
    if (live === undefined) return write(object, context, { verb: 'create', force: false });
    // Not in the cache, and yet there: it is a foreigner, or somebody took our label off.
    const shown = { ...live, apiVersion: kind.apiVersion, kind: kind.kind };
    const known = stepsOf({ object, live: shown, owner: context.owner, all: [] });
    const outcomes = await Promise.all(known.map(step => carryOutOne(step, context)));
    return outcomes[0] ?? {};
  },
  apply: ({ object }, context) => write(object, context, { verb: 'apply', force: true }),
  delete: async ({ object, propagation, why }, context) => {
    const kind = kindOf(object);
    const { name, namespace, uid } = object.metadata;
    context.mayWrite();
    context.onWrite('delete', kind.kind);
    const options = { propagation, ...(uid === undefined ? {} : { uid }) };
    await context.client.delete({ kind, namespace, name }, options);
    context.cache.delete(kind, object);
    return propagation === 'Orphan' ? { waiting: `${kind.kind} ${name} is made anew: ${why}` } : {};
  },
  growClaim: async ({ object, size }, context) => {
    const kind = kindOf(object);
    const { name, namespace } = object.metadata;
    context.mayWrite();
    context.onWrite('patch', kind.kind);
    const patch = { spec: { resources: { requests: { storage: size } } } };
    const grown = await context.client.merge({ kind, namespace, name }, patch, FIELD_MANAGER);
    context.cache.set(kind, trim(kind)(grown));
    return { waiting: `claim ${name} grows to ${size}` };
  },
  wait: ({ why }) => Promise.resolve({ waiting: why }),
  refuse: ({ why }) => Promise.resolve({ problem: { reason: 'NameConflict', message: why } }),
};

async function carryOutOne(step: Step, context: ApplyContext): Promise<Outcome> {
  const execute = executors[step.verb] as (step: Step, context: ApplyContext) => Promise<Outcome>;
  return execute(step, context);
}

async function write(
  object: KubeObject,
  context: ApplyContext,
  { verb, force }: { readonly verb: string; readonly force: boolean },
): Promise<Outcome> {
  const kind = kindOf(object);
  context.mayWrite();
  context.onWrite(verb, kind.kind);
  const written = await context.client.apply(kind, object, { fieldManager: FIELD_MANAGER, force });
  context.cache.set(kind, trim(kind)({ ...written, apiVersion: kind.apiVersion, kind: kind.kind }));
  return {};
}

/** `gone` = what we wanted is so already; undefined = try again. */
function problemOf(step: Step, error: KubeError): Problem | 'gone' | undefined {
  const { object } = step;
  const what = `${object.kind} ${object.metadata.name}`;
  const message = `${what}: ${error.message}`;
  if (step.verb === 'delete' && (error.code === 404 || error.code === 409)) return 'gone';
  if (error.code === 422 || error.code === 400) return { reason: 'ObjectRefused', message };
  if (error.code !== 403) return undefined;
  if (/exceeded quota/.test(error.message)) return { reason: 'QuotaExceeded', message };
  return { reason: /cannot \w+ resource/.test(error.message) ? 'Forbidden' : 'ObjectRefused', message };
}

function isNamespaceEnding({ code, message }: KubeError): boolean {
  return (
    (code === 403 && message.includes('being terminated')) ||
    (code === 404 && message.includes('namespaces "'))
  );
}
