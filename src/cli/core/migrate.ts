// Older resources -> ours: flat names nested, `Deployment` and `LMDeployment` of the same group turned into OllamaDeployment.
// Never drops a field in silence: what changed and what could not be taken over is said in words.
import { API_VERSION, GROUP, KIND } from '../../api/ollama-deployment/resource.ts';

export interface Migrated {
  readonly document: Readonly<Record<string, unknown>>;
  /** For comments above the document. */
  readonly changes: readonly string[];
}

type Fields = Record<string, unknown>;

/** Undefined: it is no resource of this group and stays as it is. */
export function migrate(document: Readonly<Record<string, unknown>>): Migrated | undefined {
  const kind = String(document['kind']);
  const group = String(document['apiVersion']).split('/')[0];
  if (group !== GROUP || !['Deployment', 'LMDeployment', KIND].includes(kind)) return undefined;
  const spec = structuredClone((document['spec'] ?? {}) as Fields);
  const changes: string[] = [];
  if (kind !== KIND) changes.push(`kind ${kind} is now ${KIND}`);
  if (document['apiVersion'] !== API_VERSION) changes.push(`apiVersion is now ${API_VERSION}`);
  if (document['status'] !== undefined) changes.push('status is left out: the operator observes it anew');
  for (const part of ['ollama', 'openwebui', 'tabby']) nestFlat(spec, part, changes);
  if (kind === 'LMDeployment') fromLmDeployment(spec, changes);
  const metadata = cleanMetadata((document['metadata'] ?? {}) as Fields, changes);
  return { document: { apiVersion: API_VERSION, kind: KIND, metadata, spec }, changes };
}

const SERVER_FIELDS = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'finalizers',
];
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function cleanMetadata(metadata: Fields, changes: string[]): Fields {
  const kept = Object.entries(metadata).filter(([name]) => !SERVER_FIELDS.includes(name));
  if (kept.length < Object.keys(metadata).length) changes.push('metadata: what the server wrote is left out');
  const { annotations, ...rest } = Object.fromEntries(kept) as Fields & { annotations?: Fields };
  const { [LAST_APPLIED]: _copy, ...others } = annotations ?? {};
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others };
}

const FLAT: readonly (readonly [flat: string, path: readonly [block: string, field: string]])[] = [
  ['serviceType', ['service', 'type']],
  ['servicePort', ['service', 'port']],
  ['ingressEnabled', ['ingress', 'enabled']],
  ['ingressHost', ['ingress', 'host']],
];

function nestFlat(spec: Fields, part: string, changes: string[]): void {
  const component = fieldsOf(spec[part]);
  if (component === undefined) return;
  for (const [flat, [block, field]] of FLAT) {
    if (!(flat in component)) continue;
    const target = fieldsOf(component[block]) ?? {};
    const isGiven = field in target;
    component[block] = isGiven ? target : { ...target, [field]: component[flat] };
    delete component[flat];
    const rest = isGiven ? ` (which was given too, and stays ${String(target[field])})` : '';
    changes.push(`spec.${part}.${flat} is now spec.${part}.${block}.${field}${rest}`);
  }
}

function fromLmDeployment(spec: Fields, changes: string[]): void {
  if (spec['vllm'] !== undefined) {
    delete spec['vllm'];
    changes.push('spec.vllm is left out: BigO runs Ollama; name a server of vLLM in spec.gateway.clusters');
  }
  ollamaPart((spec['ollama'] ??= {}) as Fields, changes);
  for (const part of ['openwebui', 'tabby']) {
    const component = fieldsOf(spec[part]);
    if (component === undefined) continue;
    image(component, part, changes);
    ingress(component, part, changes);
    persistence(component, part, changes);
    drop(
      component,
      { part, field: 'affinity', why: 'this component cannot be placed by the resource' },
      changes,
    );
  }
  openwebuiPart(fieldsOf(spec['openwebui']), changes);
  tabbyPart(fieldsOf(spec['tabby']), changes);
}

function ollamaPart(ollama: Fields, changes: string[]): void {
  image(ollama, 'ollama', changes);
  if (ollama['enabled'] === false)
    changes.push('spec.ollama.enabled was false: an OllamaDeployment always runs Ollama');
  delete ollama['enabled'];
  if (ollama['flavor'] === 'amd') {
    ollama['imageTag'] ??= 'rocm';
    ollama['gpu'] = { resourceName: 'amd.com/gpu', count: 1 };
    changes.push('spec.ollama.flavor amd is now imageTag and gpu.resourceName amd.com/gpu');
  }
  delete ollama['flavor'];
  if (ollama['affinity'] !== undefined) {
    ollama['scheduling'] = { affinity: ollama['affinity'] };
    delete ollama['affinity'];
    changes.push('spec.ollama.affinity is now spec.ollama.scheduling.affinity');
  }
  gpus(ollama, changes);
  if (!Array.isArray(ollama['models']) || ollama['models'].length === 0) {
    changes.push('spec.ollama.models is empty: name at least one model before you apply this');
  }
}

const PLAIN_RESOURCES = new Set(['cpu', 'memory', 'storage', 'ephemeral-storage']);

function gpus(ollama: Fields, changes: string[]): void {
  const resources = fieldsOf(ollama['resources']);
  for (const list of [fieldsOf(resources?.['limits']), fieldsOf(resources?.['requests'])]) {
    for (const [name, count] of Object.entries(list ?? {})) {
      if (PLAIN_RESOURCES.has(name) || list === undefined) continue;
      delete list[name];
      ollama['gpu'] = { resourceName: name, count: Number(count) };
      changes.push(`spec.ollama.resources: ${name} is now spec.ollama.gpu`);
    }
  }
}

/** It used to hold the tag as well. */
function image(component: Fields, part: string, changes: string[]): void {
  const whole = component['image'];
  if (typeof whole !== 'string' || whole.includes('@') || component['imageTag'] !== undefined) return;
  const at = whole.lastIndexOf(':');
  if (at <= whole.lastIndexOf('/')) return;
  component['image'] = whole.slice(0, at);
  component['imageTag'] = whole.slice(at + 1);
  changes.push(`spec.${part}.image is now image and imageTag`);
}

/** A host alone used to switch it on. */
function ingress(component: Fields, part: string, changes: string[]): void {
  const block = fieldsOf(component['ingress']);
  if (block === undefined || block['host'] === undefined || block['enabled'] !== undefined) return;
  component['ingress'] = { enabled: true, ...block };
  changes.push(`spec.${part}.ingress.enabled is written: a host alone makes no Ingress any more`);
}

function persistence(component: Fields, part: string, changes: string[]): void {
  const block = fieldsOf(component['persistence']);
  if (block?.['storageClass'] === undefined) return;
  const { storageClass, ...rest } = block;
  component['persistence'] = { ...rest, storageClassName: storageClass };
  changes.push(`spec.${part}.persistence.storageClass is now storageClassName`);
}

function openwebuiPart(component: Fields | undefined, changes: string[]): void {
  if (component === undefined) return;
  const part = 'openwebui';
  const redis = fieldsOf(component['redis']);
  if (typeof redis?.['redisUrl'] === 'string') {
    component['redisUrl'] = redis['redisUrl'];
    changes.push('spec.openwebui.redis.redisUrl is now spec.openwebui.redisUrl');
  } else if (redis?.['enabled'] === true) {
    changes.push('spec.openwebui.redis is left out: bring your own Redis and give spec.openwebui.redisUrl');
  }
  delete component['redis'];
  drop(component, { part, field: 'pipelines', why: 'run it beside, and name it in envVars' }, changes);
  drop(component, { part, field: 'langfuse', why: 'set its variables in envVars' }, changes);
}

function tabbyPart(component: Fields | undefined, changes: string[]): void {
  if (component === undefined) return;
  for (const [from, to] of [
    ['completionModel', 'modelName'],
    ['chatModel', 'chatModelName'],
  ] as const) {
    if (component[from] === undefined) continue;
    component[to] = component[from];
    delete component[from];
    changes.push(`spec.tabby.${from} is now spec.tabby.${to}`);
  }
  drop(component, { part: 'tabby', field: 'device', why: 'every model comes from the fleet' }, changes);
}

interface Drop {
  readonly part: string;
  readonly field: string;
  readonly why: string;
}

function drop(component: Fields, { part, field, why }: Drop, changes: string[]): void {
  if (component[field] === undefined) return;
  delete component[field];
  changes.push(`spec.${part}.${field} is left out: ${why}`);
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
