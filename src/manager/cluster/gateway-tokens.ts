// Tokens of the gateways' admin ports, from the Secrets that the operator makes. Never logs one, never lists Secrets.
import type { KubeClient } from '../../platform/kube/client.ts';
import { namespacedKind } from '../../platform/kube/paths.ts';

const SECRET = namespacedKind('v1', 'Secret', 'secrets');
/** Looks between two readings: a Secret may be replaced while gateways run. */
const keptLooks = 12;
const keptMax = 1_000;

export class GatewayTokens {
  private readonly client: Pick<KubeClient, 'get'>;
  private readonly otherwise: string | undefined;
  private readonly kept = new Map<string, { readonly token: string | undefined; left: number }>();

  constructor(client: Pick<KubeClient, 'get'>, otherwise: string | undefined) {
    this.client = client;
    this.otherwise = otherwise;
  }

  async of(namespace: string, fleet: string): Promise<string | undefined> {
    const key = `${namespace}/${fleet}`;
    const known = this.kept.get(key);
    if (known !== undefined && known.left > 0) {
      known.left -= 1;
      return known.token ?? this.otherwise;
    }
    const token = await this.read(namespace, `${fleet}-gateway-admin`);
    if (this.kept.size >= keptMax) this.kept.clear();
    this.kept.set(key, { token, left: token === undefined ? 0 : keptLooks });
    return token ?? this.otherwise;
  }

  /** Undefined where there is none, or it may not be read. */
  private async read(namespace: string, name: string): Promise<string | undefined> {
    try {
      const { data } = await this.client.get({ kind: SECRET, namespace, name });
      const token = (data as Readonly<Record<string, string>> | undefined)?.['token'] ?? '';
      return token === '' ? undefined : Buffer.from(token, 'base64').toString('utf8').trim();
    } catch {
      return undefined;
    }
  }
}
