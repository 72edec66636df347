// What starts an operator, and what a release brings along: its own image and the Ollama that it was tested with.
// Never a field of the resource.
import type { HostPort } from './settings.ts';

/** Tag of the Ollama image that this release was tested with; a resource that names none gets it, and keeps it. */
export const TESTED_OLLAMA_TAG = '0.24.0';
export const IMAGE_REPOSITORY = 'ghcr.io/bigo/bigo';
export const OPERATOR_NAMESPACE = 'llm-operator-system';
/** Health; the same address has the metrics. */
export const OPERATOR_PORT = 8081;

export interface OperatorSettings {
  /** Absent = the service account of the pod. */
  readonly kubeconfig?: string;
  /** Empty = the whole cluster. */
  readonly namespaces: readonly string[];
  /** Absent = the namespace of the pod or of the kubeconfig's context. */
  readonly leaseNamespace?: string;
  readonly admin: HostPort;
  /** Of agents and gateways. */
  readonly image: string;
  readonly clusterDomain: string;
  readonly ollamaTag: string;
}
