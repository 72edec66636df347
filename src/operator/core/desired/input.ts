// What desired() is given and what it gives back. Never a live object: what was read from one is a plain value here.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { Note, Resolved } from '../../../api/ollama-deployment/resolve.ts';
import type { Names } from '../names.ts';

export interface DesiredSettings {
  /** Our own image: agents and gateways. */
  readonly image: string;
  readonly clusterDomain: string;
}

/** Text by key, by the name of the Secret; a Secret that is missing is absent. */
export type SecretTexts = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface DesiredInput {
  readonly resolved: Resolved;
  readonly settings: DesiredSettings;
  /** Of every Secret that secretNeeds() names: made or read by the caller, so that nothing here is random. */
  readonly secrets: SecretTexts;
  /** Optional APIs that this cluster has, as `monitoring.coreos.com/v1/ServiceMonitor`. */
  readonly apis: ReadonlySet<string>;
  /** Images of ours that run at present and are kept, so that a new operator restarts nothing. */
  readonly kept?: { readonly agent?: string; readonly gateway?: string };
}

/** What every builder works from. */
export interface Context extends DesiredInput {
  readonly names: Names;
}

export interface Desired {
  readonly objects: readonly KubeObject[];
  /** What a person should know: accepted deviations, and wishes that this cluster cannot fulfil. */
  readonly notes: readonly Note[];
}

export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
