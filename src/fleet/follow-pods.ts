// Everything a gateway in a cluster needs of Kubernetes: the client, the watched pods, and word to their agents. Never starts a gateway.
import type { BackendSpec } from '../api/fleet.ts';
import type { KubernetesDiscovery } from '../api/settings.ts';
import type { Clock } from '../platform/clock.ts';
import { createKubeClient } from '../platform/kube/client.ts';
import { kubeAccess } from '../platform/kube/kubeconfig.ts';
import { Doubts } from './doubts.ts';
import { PodDiscovery, type PodBackends } from './kubernetes.ts';
import type { Log } from './types.ts';

export interface FollowOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly rng: () => number;
  readonly wallMs: () => number;
  readonly version: string;
}

export interface FollowedPods {
  readonly discovery: PodDiscovery;
  /** Called now with what is known, and with every change from then on. */
  follow(onChange: (backends: PodBackends) => void): void;
  readonly onLoadFailed: (backend: BackendSpec, model: string) => void;
  use(wish: KubernetesDiscovery): void;
  stop(): Promise<void>;
}

const requestMsMax = 15_000;

/** Throws a BigoError when there is no cluster to ask. */
export function followPods(first: KubernetesDiscovery, options: FollowOptions): FollowedPods {
  const { env, clock, version } = options;
  let wish = first;
  let onChange: (backends: PodBackends) => void = () => {};
  const userAgent = `bigo-gateway/${version}`;
  const access = kubeAccess({ file: first.kubeconfig, env });
  const client = createKubeClient(access, { userAgent, nowMs: () => clock.nowMs(), requestMsMax });
  const doubts = new Doubts({ ...options, userAgent });
  const discovery = new PodDiscovery(first, {
    ...options,
    client,
    namespace: access.namespace,
    onChange: backends => onChange(backends),
  });
  return {
    discovery,
    follow: listener => {
      onChange = listener;
      listener(discovery.latest);
    },
    onLoadFailed: (backend, model) => {
      if (wish.agentPort !== undefined) void doubts.tell(backend.url, wish.agentPort, model);
    },
    use: next => {
      wish = next;
      discovery.use(next);
    },
    stop: async () => {
      await discovery.stop();
      await Promise.all([client.close(), doubts.close()]);
    },
  };
}
