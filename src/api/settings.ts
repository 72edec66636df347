// The resolved settings of a running gateway and their defaults. Never reads a file: cli/ fills this from config, env and flags.
import type { BackendSpec } from './fleet.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface RoutingRule {
  /** Model name as a user writes it. */
  readonly model: string;
  /** Names of the only backends that may serve it. */
  readonly backends: readonly string[];
}

/** Pods as backends; each is named like its pod. */
export interface KubernetesDiscovery {
  readonly selector: string;
  /** Absent = the gateway's own. */
  readonly namespace?: string;
  /** Absent = the service account of the pod. */
  readonly kubeconfig?: string;
  readonly port: number;
  /** Of `bigo agent` in each pod. */
  readonly agentPort?: number;
  readonly slots?: number;
  /** Absent = each pod has a models folder of its own. */
  readonly store?: string;
  /** Pods that alone may write into that folder, and serve no request; absent = each of the others may. */
  readonly writerSelector?: string;
  /** Gateways that share the pods; absent = this one is alone. */
  readonly gatewaySelector?: string;
  /** Label of the metric that the fleet is scaled by. */
  readonly fleet?: string;
}

export interface QueueLimits {
  readonly ticketsMax: number;
  /** All bodies held, of waiting and of arriving requests. */
  readonly bytesMax: number;
  readonly waitMsMax: number;
}

export interface TimeLimits {
  readonly connectMsMax: number;
  /** From dispatch to a warm runner until its first body byte. */
  readonly firstByteMsMax: number;
  /** One load call. */
  readonly loadMsMax: number;
  /** Between two chunks of a stream. */
  readonly idleMsMax: number;
  /** A client that reads nothing. */
  readonly writeStallMsMax: number;
  /** Receiving a request's head, and between two pieces of its body. */
  readonly receiveMsMax: number;
  readonly drainMsMax: number;
  /** While draining, new connections are taken until none has sent a request for this long: load balancers need time to notice. */
  readonly drainGraceMs?: number;
}

export interface BodyLimits {
  readonly jsonBytesMax: number;
  readonly heldAnswerBytesMax: number;
}

export interface GatewaySettings {
  readonly listen: HostPort;
  readonly admin: HostPort;
  readonly backends: readonly BackendSpec[];
  /** alias → model name, e.g. fast → llama3.2:1b. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly routing: readonly RoutingRule[];
  /** Models that should exist: tickets for them wait even while no backend has them. */
  readonly declaredModels: readonly string[];
  readonly queue: QueueLimits;
  readonly time: TimeLimits;
  readonly body: BodyLimits;
  /** Allowed Origins beside loopback's (as OLLAMA_ORIGINS); `*` = any. */
  readonly origins: readonly string[];
  /** Allowed Host names beside loopback's and addresses; `*` = any. */
  readonly hosts: readonly string[];
  /** Serving other addresses than loopback without keys. */
  readonly insecure: boolean;
  readonly keysFile?: string;
  /** Folder of the usage journal; absent = kept in memory only. */
  readonly journalDir?: string;
  /** PEM files for TLS on the listen port. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly adminToken?: string;
  /** What callers may do while there are no keys; absent = admin. */
  readonly anonymousRole?: 'admin' | 'inference';
  readonly kubernetes?: KubernetesDiscovery;
}

export const DEFAULT_QUEUE: QueueLimits = {
  ticketsMax: 1000,
  bytesMax: 512 * 1024 * 1024,
  waitMsMax: 5 * 60_000,
};
export const DEFAULT_TIME: TimeLimits = {
  connectMsMax: 3_000,
  firstByteMsMax: 120_000,
  loadMsMax: 10 * 60_000,
  idleMsMax: 120_000,
  writeStallMsMax: 60_000,
  receiveMsMax: 30_000,
  drainMsMax: 300_000,
};
export const DEFAULT_BODY: BodyLimits = {
  jsonBytesMax: 100 * 1024 * 1024,
  heldAnswerBytesMax: 32 * 1024 * 1024,
};
