// What a profile is: a resource that desired() understands, and how the plain objects differ from the operator's.
// Never a value of its own.
import type { KubeObject } from '../../api/kube-object.ts';
import type { Resolved } from '../../api/ollama-deployment/resolve.ts';

export const PROFILE_NAMES = ['bigo', 'production', 'model-hosting', 'homelab'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** What `--set` may change beside the fields of the resource. */
export interface ProfileWish {
  readonly namespace: string;
  readonly image: string;
  /** Host name by which people outside reach it. */
  readonly host: string;
  /** Fields of the resource's spec; they go over the profile's. */
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface ProfileClaim {
  readonly name: string;
  readonly accessMode: 'ReadWriteOnce' | 'ReadWriteMany';
}

/** What the profile's own objects are made from. */
export interface Surroundings {
  readonly resolved: Resolved;
  readonly wish: ProfileWish;
}

export interface Profile {
  readonly name: ProfileName;
  readonly namespace: string;
  readonly host: string;
  readonly spec: (wish: ProfileWish) => Readonly<Record<string, unknown>>;
  readonly workload: 'StatefulSet' | 'Deployment';
  /** Of the Deployment; Recreate where two pods cannot have the volume at once. */
  readonly strategy: 'Recreate' | 'OneAway' | 'OneMore';
  readonly claim: ProfileClaim;
  /** Who fills a folder that several pods share; `pod` where there is one pod. */
  readonly writer: 'pod' | 'own' | 'job';
  /** Name of the Service that people call. */
  readonly service: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** Objects that no resource becomes. */
  readonly extra: (around: Surroundings) => readonly KubeObject[];
  /** File by object, `Kind/name` or `Kind`; what is named in none goes to 00-prerequisites.yaml. */
  readonly files: Readonly<Record<string, string>>;
}

export interface RenderedFile {
  readonly path: string;
  readonly objects: readonly KubeObject[];
  /** True: the same objects stand in 00-prerequisites.yaml too, and this file is for applying it alone. */
  readonly isRepeated: boolean;
}
