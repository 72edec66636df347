// One golden case: a resource in a file -> the objects it becomes, as files. Random values are made from their names here.
// Never starts anything.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { resolve, type Note, type Resolved } from '../../src/api/ollama-deployment/resolve.ts';
import { resourceSchema } from '../../src/api/ollama-deployment/resource.ts';
import { desired } from '../../src/operator/core/desired/desired.ts';
import type { SecretTexts } from '../../src/operator/core/desired/input.ts';
import { completeSecret, secretNeeds, type SecretMaker } from '../../src/operator/core/desired/secrets.ts';

export const casesFolder = path.join(import.meta.dirname, 'operator');

const settings = { image: 'ghcr.io/bigo/bigo:0.1.0', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' };
/** Everything optional is there, but in cases whose name says otherwise. */
const apis = new Set([
  'monitoring.coreos.com/v1/ServiceMonitor',
  'monitoring.coreos.com/v1/PrometheusRule',
  'keda.sh/v1alpha1/ScaledObject',
]);

function secretsFor(resolved: Resolved): SecretTexts {
  const texts = secretNeeds(resolved).map(need => {
    const have = need.isOurs ? {} : Object.fromEntries(need.wanted.map(key => [key, `users-${key}`]));
    return [need.name, completeSecret(need, have, countingMaker())] as const;
  });
  return Object.fromEntries(texts);
}

function countingMaker(): SecretMaker {
  let made = 0;
  return {
    token: () => `token-${++made}`,
    apiKey: () => `bigo-key-${++made}`,
    hash: key => `sha256:${key.replace(/\D/g, '').padStart(64, '0')}`,
  };
}

export interface Outcome {
  readonly files: ReadonlyMap<string, KubeObject>;
  readonly notes: readonly Note[];
}

export async function runCase(name: string): Promise<Outcome> {
  const text = await readFile(path.join(casesFolder, name, 'in.yaml'), 'utf8');
  return objectsOf(parse(text), name.includes('without-optional') ? new Set() : apis);
}

function objectsOf(resource: unknown, has: ReadonlySet<string> = apis): Outcome {
  const resolved = resolve(resourceSchema.parse(resource), settings);
  const { objects, notes } = desired({ resolved, settings, secrets: secretsFor(resolved), apis: has });
  const files = new Map(objects.map(object => [`${object.kind.toLowerCase()}-${object.metadata.name}.yaml`, object]));
  return { files, notes };
}
