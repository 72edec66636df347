// The parts of BigO that commands start, as far as commands know them. main.ts fills this; never imports a component.
import type { AgentSettings } from '../api/agent-settings.ts';
import type { OperatorSettings } from '../api/operator-settings.ts';
import type { GatewaySettings, HostPort } from '../api/settings.ts';
import type { StartEngine } from './engine.ts';
import type { Log } from '../platform/log.ts';

export interface RunningGateway {
  readonly url: string;
  readonly adminUrl: string;
  /** Readiness goes off, new requests are refused, streams finish; resolves when none is left or the limit passed. */
  drain(): Promise<void>;
  close(): Promise<void>;
  reload(settings: GatewaySettings): void | Promise<void>;
}

export interface KeyEntry {
  readonly id: string;
  readonly role: string;
  readonly priority: string;
  readonly models?: readonly string[] | undefined;
}

export interface KeyTools {
  readonly createKey: () => { key: string; hash: string };
  readonly readKeys: (file: string) => KeyEntry[];
}

export interface ModelWish {
  /** The models folder that must have the model afterwards. */
  readonly store: string;
  /** Absent = any that can chat, else the default one. */
  readonly model?: string;
  readonly log: (message: string) => void;
  /** Folders to take it from; absent = where Ollama keeps models. */
  readonly ollamaStores?: readonly string[];
}

export interface GatewayStart {
  readonly settings: GatewaySettings;
  readonly log: Log;
  /** mounted = the web page and the manager's API on the same port. */
  readonly page: 'mounted' | 'none';
}

export interface ManagerStart {
  readonly listen: HostPort;
  readonly gateways: readonly ManagedGateway[];
  /** Where usage is kept, outside a cluster. */
  readonly dataFile: string;
  /** In a cluster gateways are found, and usage is kept in a ConfigMap. */
  readonly cluster?: ManagerCluster;
  /** Admits an admin, also where no gateway is there to ask. */
  readonly token?: string;
  readonly log: Log;
}

export interface ManagerCluster {
  /** Absent = the service account of the pod. */
  readonly kubeconfig?: string;
  /** Empty = the whole cluster. */
  readonly namespaces: readonly string[];
  /** Its own; absent = that of the pod or of the kubeconfig's context. */
  readonly namespace?: string;
  /** For gateways whose Secret cannot be read. */
  readonly adminToken?: string;
  /** Address of dcgm-exporter. */
  readonly dcgmUrl?: string;
}

export interface ManagedGateway {
  readonly name: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly adminToken?: string;
}

export interface RunningManager {
  readonly url: string;
  close(): Promise<void>;
}

export interface AgentStart {
  readonly settings: AgentSettings;
  readonly log: Log;
}

export interface RunningAgent {
  readonly url: string;
  /** A drain that runs is finished first. */
  close(): Promise<void>;
}

export interface OperatorStart {
  readonly settings: OperatorSettings;
  readonly log: Log;
}

export interface RunningOperator {
  readonly adminUrl: string;
  /** Rejects when it may not go on. */
  readonly failed: Promise<never>;
  /** Running passes end first, then the lease is given back. */
  close(): Promise<void>;
}

export interface Components {
  startAgent(start: AgentStart): Promise<RunningAgent>;
  /** Throws a BigoError that says how to add a model. */
  ensureModel(wish: ModelWish): Promise<{ name: string; source: string }>;
  startEngine: StartEngine;
  /** Downloads what the embedded engine needs, once; says so when it does. */
  installEngine(say: (message: string) => void): Promise<unknown>;
  loadKeys(): Promise<KeyTools>;
  startGateway(start: GatewayStart): Promise<RunningGateway>;
  startOperator(start: OperatorStart): Promise<RunningOperator>;
  startManager(start: ManagerStart): Promise<RunningManager>;
}
