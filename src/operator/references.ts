// Objects of other people that a resource names: a Service for Tabby, claims. Asked for by name, since only what is ours is watched.
// Never reads more of them than whether they are there.
import type { Resolved } from '../api/ollama-deployment/resolve.ts';
import type { KubeClient } from '../platform/kube/client.ts';
import { kubeCode } from '../platform/kube/kube-error.ts';
import type { KubeKind, KubeRef } from '../platform/kube/paths.ts';
import type { Cache } from './cache.ts';
import type { Component, Problem } from './core/status/observed.ts';
import { CLAIM, SERVICE } from './kinds.ts';

export interface ReferenceContext {
  readonly client: Pick<KubeClient, 'get'>;
  readonly cache: Pick<Cache, 'has'>;
}

interface Reference {
  readonly kind: KubeKind;
  readonly name: string | undefined;
  readonly field: string;
  readonly component: Component;
}

export async function missingReferences(context: ReferenceContext, resolved: Resolved): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { kind, name, field, component } of referencesOf(resolved)) {
    // A name with a dot is in another namespace, where nobody here may look.
    if (name === undefined || name.includes('.')) continue;
    if (await isThere(context, { kind, namespace: resolved.namespace, name })) continue;
    const reason = kind === SERVICE ? 'ServiceNotFound' : 'ClaimNotFound';
    const what = kind === SERVICE ? 'Service' : 'claim';
    problems.push({
      reason,
      message: `${field}: there is no ${what} ${name} in namespace ${resolved.namespace}`,
      component,
    });
  }
  return problems;
}

function referencesOf({ tabby, openwebui, ollama }: Resolved): Reference[] {
  const claim = (name: string | undefined, field: string, component: Component) =>
    ({ kind: CLAIM, name, field, component }) as const;
  return [
    { kind: SERVICE, name: tabby?.ollama?.name, field: 'tabby.ollamaServiceName', component: 'tabby' },
    claim(ollama.storage.existingClaim, 'ollama.storage.existingClaim', 'ollama'),
    claim(openwebui?.persistence?.existingClaim, 'openwebui.persistence.existingClaim', 'openwebui'),
    claim(tabby?.persistence?.existingClaim, 'tabby.persistence.existingClaim', 'tabby'),
  ];
}

async function isThere({ client, cache }: ReferenceContext, ref: KubeRef): Promise<boolean> {
  if (cache.has(ref.kind, `${ref.namespace ?? ''}/${ref.name}`)) return true;
  try {
    await client.get(ref);
    return true;
  } catch (error) {
    if (kubeCode(error) === 404) return false;
    throw error;
  }
}
