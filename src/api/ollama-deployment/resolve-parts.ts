// The meaning of the blocks that components share: resources, Service, Ingress, volume. Never knows whose they are.
import type { Spec } from './resource.ts';

type Component = NonNullable<Spec['tabby']>;
type GivenResources = Component['resources'];
type Amount = string | number;

export type Quantities = Readonly<Record<string, Amount>>;
export interface Resources {
  readonly requests?: Quantities;
  readonly limits?: Quantities;
}

/** `storage` is what a volume has, not a container. */
export function resolvedResources(given: GivenResources, otherwise: Resources): Resources {
  const requests = withoutStorage(given?.requests);
  const limits = withoutStorage(given?.limits);
  if (requests === undefined && limits === undefined) return otherwise;
  return { ...(requests === undefined ? {} : { requests }), ...(limits === undefined ? {} : { limits }) };
}

function withoutStorage(list: Quantities | undefined): Quantities | undefined {
  const kept = Object.entries(list ?? {}).filter(([name]) => name !== 'storage');
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

export function storageOf(given: GivenResources): string | undefined {
  const size = given?.requests?.storage ?? given?.limits?.storage;
  return size === undefined ? undefined : String(size);
}

export interface ResolvedService {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  readonly port: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export function resolvedService(given: Component['service'], port: number): ResolvedService {
  return {
    type: given?.type ?? 'ClusterIP',
    port: given?.port ?? port,
    annotations: given?.annotations ?? {},
  };
}

export interface ResolvedIngress {
  readonly host: string;
  readonly className?: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Hosts are never empty; absent = no TLS. */
  readonly tls?: { readonly hosts: readonly string[]; readonly secretName?: string };
}

/** Only when it is enabled and a host is given. */
export function resolvedIngress(given: Component['ingress']): ResolvedIngress | undefined {
  const { enabled, host, className, annotations, tls } = given ?? {};
  if (!enabled || host === undefined || host === '') return undefined;
  const hosts = tls?.hosts ?? [];
  return {
    host,
    ...(className === undefined || className === '' ? {} : { className }),
    annotations: annotations ?? {},
    ...(tls === undefined
      ? {}
      : {
          tls: {
            hosts: hosts.length === 0 ? [host] : hosts,
            ...(tls.secretName === undefined || tls.secretName === '' ? {} : { secretName: tls.secretName }),
          },
        }),
  };
}

export interface ResolvedPersistence {
  readonly size: string;
  readonly storageClassName?: string;
  readonly existingClaim?: string;
  readonly retention: 'Retain' | 'Delete';
}

export function resolvedPersistence(
  given: Component['persistence'],
  size: string,
): ResolvedPersistence | undefined {
  if (given?.enabled === false) return undefined;
  const { storageClassName, existingClaim } = given ?? {};
  return {
    size: given?.size ?? size,
    ...(storageClassName === undefined || storageClassName === '' ? {} : { storageClassName }),
    ...(existingClaim === undefined || existingClaim === '' ? {} : { existingClaim }),
    retention: given?.retention ?? 'Retain',
  };
}
