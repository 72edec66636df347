// The resolved settings of a running agent. Never reads a file: cli/agent.ts fills this from flags and variables.
import type { HostPort } from './settings.ts';

export interface AgentSettings {
  readonly listen: HostPort;
  /** The Ollama of this pod. */
  readonly ollamaUrl: string;
  /** Mounted file of models (api/cluster-files.ts). */
  readonly modelsFile: string;
  /** The models folder, OLLAMA_MODELS. */
  readonly store: string;
  readonly podName: string;
  /** A reader shares a folder that another pod's agent fills: it never pulls, makes, deletes or hashes. */
  readonly role: 'writer' | 'reader';
  /** Registries, HOST[:PORT], that are spoken to without TLS. */
  readonly insecureRegistries: readonly string[];
  /** Room on the volume that pulls leave free. */
  readonly reserveBytes: number;
  /** File with the token of the gateways' admin port. */
  readonly gatewayTokenFile?: string;
  /** For a pod whose file of models says nothing of it. */
  readonly drainSeconds?: number;
}

/** Beside Ollama's own port in every pod. */
export const AGENT_PORT = 11_435;
