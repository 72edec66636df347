// Desired objects against live ones -> the steps that make them equal. Steps are verbs with all they need.
// Never touches what belongs to somebody else, and plans nothing where an apply would change nothing.
import type { KubeObject } from '../../api/kube-object.ts';
import { growClaims, storageGrowth } from './claims.ts';
import { difference } from './subset.ts';

export const FIELD_MANAGER = 'bigo-operator';
export const OWNER_LABEL = 'ollama-deployment';

/** What each step needs. The executors are a table over the same names. */
export interface StepArguments {
  /** Not there: made without force, so that a foreigner of the same name is met, not taken. */
  create: { readonly object: KubeObject };
  apply: { readonly object: KubeObject; readonly path: string };
  delete: {
    readonly object: KubeObject;
    readonly propagation: 'Background' | 'Orphan';
    readonly why: string;
  };
  growClaim: { readonly object: KubeObject; readonly size: string };
  /** Is being deleted, or belongs to a namesake that is: looked at again soon. */
  wait: { readonly object: KubeObject; readonly why: string };
  refuse: { readonly object: KubeObject; readonly why: string };
}
export type Step = {
  [Verb in keyof StepArguments]: { readonly verb: Verb } & StepArguments[Verb];
}[keyof StepArguments];

export interface PlanInput {
  readonly owner: { readonly name: string; readonly uid: string; readonly kind: string };
  readonly desired: readonly KubeObject[];
  /** Ours and others', by kind and name, as far as they are known. */
  readonly live: readonly KubeObject[];
  /** Kinds that this cluster has; a desired object of another kind is left out. */
  readonly isServed: (object: KubeObject) => boolean;
}

export function plan({ owner, desired, live, isServed }: PlanInput): Step[] {
  const present = new Map(live.map(object => [keyOf(object), object]));
  const wanted = new Set(desired.map(keyOf));
  const steps = desired.filter(isServed).flatMap(object => {
    return stepsOf({ object, live: present.get(keyOf(object)), owner, all: live });
  });
  const pruned = live.filter(object => !wanted.has(keyOf(object)) && mayPrune(object, owner));
  return [...steps, ...pruned.map(object => remove(object, 'it is not wanted any more'))];
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
}

export interface Case {
  readonly object: KubeObject;
  readonly live: KubeObject | undefined;
  readonly owner: PlanInput['owner'];
  readonly all: readonly KubeObject[];
}

export function stepsOf({ object, live, owner, all }: Case): Step[] {
  if (live === undefined) return [{ verb: 'create', object }];
  const standing = standingOf(live, owner);
  if (standing === 'namesake') {
    return [
      { verb: 'wait', object: live, why: `${nameOf(live)} belongs to a deleted resource of this name` },
    ];
  }
  if (standing === 'foreign') {
    return [
      { verb: 'refuse', object: live, why: `${nameOf(live)} exists and is not ours: rename or delete it` },
    ];
  }
  if (live.metadata.deletionTimestamp !== undefined) {
    return [{ verb: 'wait', object: live, why: `${nameOf(live)} is being deleted` }];
  }
  const path = difference(object, live, FIELD_MANAGER);
  if (path === undefined) return [];
  // The templates of claims never change: the set is made anew around its running pods.
  const growth = storageGrowth(object, live);
  if (growth === undefined) return [{ verb: 'apply', object, path }];
  const claims = growClaims(growth, { set: live, all });
  return [...claims, { verb: 'delete', object: live, propagation: 'Orphan', why: 'its volumes grow' }];
}

type Standing = 'ours' | 'namesake' | 'foreign';

function standingOf(live: KubeObject, owner: PlanInput['owner']): Standing {
  const controller = live.metadata.ownerReferences?.find(reference => reference.controller === true);
  if (controller?.uid === owner.uid) return 'ours';
  if (controller !== undefined) {
    return controller.kind === owner.kind && controller.name === owner.name ? 'namesake' : 'foreign';
  }
  // A kept claim, an object that was orphaned or lost its owner by hand: ours if it carries our mark and we made it.
  return live.metadata.labels?.[OWNER_LABEL] === owner.name && wasApplied(live) ? 'ours' : 'foreign';
}

function wasApplied(live: KubeObject): boolean {
  const managers = live.metadata.managedFields ?? [];
  return managers.some(entry => entry.manager === FIELD_MANAGER && entry.operation === 'Apply');
}

/** Only what carries our mark and our owner; a claim without owner is one that is to be kept. */
function mayPrune(live: KubeObject, owner: PlanInput['owner']): boolean {
  if (live.metadata.deletionTimestamp !== undefined) return false;
  if (live.metadata.labels?.[OWNER_LABEL] !== owner.name) return false;
  return (
    live.metadata.ownerReferences?.some(own => own.controller === true && own.uid === owner.uid) ?? false
  );
}

function remove(object: KubeObject, why: string): Step {
  return { verb: 'delete', object, propagation: 'Background', why };
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`;
}
