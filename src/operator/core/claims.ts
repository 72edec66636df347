// Volumes that grow: a StatefulSet's claim templates cannot change, its claims can. Never shrinks one.
import type { KubeObject } from '../../api/kube-object.ts';
import { parseQuantity } from './quantity.ts';

interface ClaimTemplate {
  readonly metadata?: { readonly name?: string };
  readonly spec?: {
    readonly storageClassName?: string;
    readonly resources?: { readonly requests?: { readonly storage?: string | number } };
  };
}

/** Size by template name. */
export type StorageGrowth = ReadonlyMap<string, string>;

/** Undefined when nothing grows, so that whatever else differs is judged by the API server. */
export function storageGrowth(desired: KubeObject, live: KubeObject): StorageGrowth | undefined {
  if (desired.kind !== 'StatefulSet') return undefined;
  const growth = new Map<string, string>();
  const present = new Map(templatesOf(live).map(template => [template.metadata?.name, template]));
  for (const template of templatesOf(desired)) {
    const name = template.metadata?.name ?? '';
    const wanted = sizeOf(template);
    const had = sizeOf(present.get(name));
    if ((parseQuantity(wanted) ?? 0) > (parseQuantity(had) ?? Number.POSITIVE_INFINITY)) {
      growth.set(name, String(wanted));
    }
  }
  return growth.size === 0 ? undefined : growth;
}

export interface GrowClaim {
  readonly verb: 'growClaim';
  readonly object: KubeObject;
  readonly size: string;
}

export function growClaims(
  growth: StorageGrowth,
  { set, all }: { readonly set: KubeObject; readonly all: readonly KubeObject[] },
): GrowClaim[] {
  return [...growth].flatMap(([template, size]) => {
    const prefix = `${template}-${set.metadata.name}-`;
    return all
      .filter(object => object.kind === 'PersistentVolumeClaim' && isOrdinal(object.metadata.name, prefix))
      .filter(claim => (parseQuantity(claimSize(claim)) ?? 0) < (parseQuantity(size) ?? 0))
      .map(object => ({ verb: 'growClaim' as const, object, size }));
  });
}

function isOrdinal(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length));
}

function templatesOf(set: KubeObject): readonly ClaimTemplate[] {
  const spec = set['spec'] as { readonly volumeClaimTemplates?: readonly ClaimTemplate[] } | undefined;
  return spec?.volumeClaimTemplates ?? [];
}

function sizeOf(template: ClaimTemplate | undefined): string | number | undefined {
  return template?.spec?.resources?.requests?.storage;
}

function claimSize(claim: KubeObject): string | number | undefined {
  return sizeOf({ spec: claim['spec'] as NonNullable<ClaimTemplate['spec']> });
}
