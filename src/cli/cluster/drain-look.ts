// What still runs on a pod, as the gateways of its fleet count it: asked through the API server, so that it works from anywhere.
// Never asks a gateway to change anything.
import type { KubeObject } from '../../api/kube-object.ts';
import { PORTS, selectorOf, selectorText } from '../../operator/core/names.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { kubeCode } from '../../platform/kube/kube-error.ts';
import { objectPath } from '../../platform/kube/paths.ts';
import { listAll } from './access.ts';
import { POD, SECRET } from './kinds.ts';

export interface DrainLook {
  readonly gateways: number;
  readonly inFlight: number;
  /** Gateways that have not seen the mark yet. */
  readonly sending: number;
  readonly silent: readonly Silence[];
}

interface Silence {
  readonly gateway: string;
  readonly why: string;
}

export const isIdle = ({ inFlight, sending, silent }: DrainLook): boolean =>
  inFlight === 0 && sending === 0 && silent.length === 0;

export const countText = (inFlight: number): string =>
  `${inFlight} ${inFlight === 1 ? 'request' : 'requests'} in flight`;

export function lookText({ inFlight, sending, silent }: DrainLook): string {
  const count = countText(inFlight);
  const news = sending === 0 ? '' : `, ${sending} of its gateways still send`;
  return silent.length === 0
    ? `${count}${news}`
    : `${count}${news}; no answer from ${silent.map(({ gateway, why }) => `${gateway} (${why})`).join('; ')}`;
}

interface Container {
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly env?: readonly {
    readonly name: string;
    readonly valueFrom?: { readonly secretKeyRef?: { readonly name?: string; readonly key?: string } };
  }[];
}
interface GatewayPod {
  readonly spec?: { readonly containers?: readonly Container[] };
  readonly status?: { readonly podIP?: string; readonly phase?: string };
}

export class GatewayLooks {
  readonly #client: KubeClient;
  readonly #pod: KubeObject;
  readonly #tokens = new Map<string, string>();

  constructor(client: KubeClient, pod: KubeObject) {
    this.#client = client;
    this.#pod = pod;
  }

  async look(): Promise<DrainLook> {
    const gateways = await this.#gateways();
    const answers = await Promise.all(gateways.map(gateway => this.#ask(gateway)));
    return {
      gateways: gateways.length,
      inFlight: answers.reduce((sum, { inFlight }) => sum + inFlight, 0),
      sending: answers.filter(({ isSending }) => isSending).length,
      silent: answers.flatMap(({ silence }) => silence ?? []),
    };
  }

  /** Those that end count too: their last streams may run here. */
  async #gateways(): Promise<KubeObject[]> {
    const { namespace, labels } = this.#pod.metadata;
    const fleet = labels?.['app.kubernetes.io/instance'] ?? '';
    const labelSelector = selectorText(selectorOf(fleet, 'gateway'));
    const pods = await listAll(this.#client, { kind: POD, namespace, labelSelector });
    return pods.filter(pod => {
      const { podIP, phase } = (pod as GatewayPod).status ?? {};
      return podIP !== undefined && phase === 'Running';
    });
  }

  async #ask(gateway: KubeObject): Promise<{ inFlight: number; isSending: boolean; silence?: Silence }> {
    const { name, namespace } = gateway.metadata;
    const ref = { kind: POD, namespace, name: `${name}:${adminPort(gateway)}`, subresource: 'proxy' };
    const path = `${objectPath(ref)}/bigo/v1/backends/${encodeURIComponent(this.#pod.metadata.name)}/drain`;
    // The API server keeps the Authorization header for itself and passes the Host on, which must be none that DNS knows.
    const headers = { 'x-api-key': await this.#token(gateway), host: '127.0.0.1' };
    try {
      const answer = (await this.#client.getPath(path, headers)) as { state?: unknown; inFlight?: unknown };
      return { inFlight: Number(answer.inFlight ?? 0), isSending: answer.state === 'serving' };
    } catch (error) {
      const code = kubeCode(error);
      if (code === undefined || code === 401 || code === 403) throw error;
      // A gateway that does not know this pod sends nothing to it; one that is gone neither.
      if (code === 404) return { inFlight: 0, isSending: false };
      return { inFlight: 0, isSending: false, silence: { gateway: name, why: (error as Error).message } };
    }
  }

  async #token(gateway: KubeObject): Promise<string> {
    const env = containersOf(gateway).flatMap(container => container.env ?? []);
    const from = env.find(({ name }) => name === 'BIGO_GATEWAY_ADMIN_TOKEN')?.valueFrom?.secretKeyRef;
    if (from?.name === undefined) return '';
    const known = this.#tokens.get(from.name);
    if (known !== undefined) return known;
    const ref = { kind: SECRET, namespace: gateway.metadata.namespace, name: from.name };
    const { data = {} } = (await this.#client.get(ref)) as {
      readonly data?: Readonly<Record<string, string>>;
    };
    const token = Buffer.from(data[from.key ?? 'token'] ?? '', 'base64')
      .toString('utf8')
      .trim();
    this.#tokens.set(from.name, token);
    return token;
  }
}

const containersOf = (gateway: KubeObject): readonly Container[] =>
  (gateway as GatewayPod).spec?.containers ?? [];

function adminPort(gateway: KubeObject): number {
  const ports = containersOf(gateway).flatMap(container => container.ports ?? []);
  return ports.find(({ name }) => name === 'admin')?.containerPort ?? PORTS.gatewayAdmin;
}
