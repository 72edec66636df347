// The operator's objects -> those of a profile: the seed documents' names, a Deployment where their commands want one, one shared claim.
// Never adds an object.
import type { KubeObject } from '../../api/kube-object.ts';
import { MANAGED_BY_PROFILE } from './plain.ts';
import type { Profile } from './types.ts';

/** Name of the fleet in every profile. */
export const FLEET = 'ollama';
/** What a resource of this name calls its Ollama objects; a profile calls them `ollama`. */
const DOUBLED = `${FLEET}-${FLEET}`;
const WRITER = `${FLEET}-writer`;

type Fields = Record<string, unknown>;

export function reshaped(objects: readonly KubeObject[], profile: Profile): KubeObject[] {
  const isScaled = objects.some(object => object.kind === 'HorizontalPodAutoscaler');
  return objects
    .map(object => renamed(object, profile))
    .filter(object => profile.writer !== 'job' || !isOfWriter(object))
    .map(object => {
      if (object.kind !== 'StatefulSet' || object.metadata.name !== FLEET) return object;
      const set = isScaled ? withoutReplicas(object) : object;
      return withClaim(profile.workload === 'Deployment' ? asDeployment(set, profile) : set, profile);
    })
    .map(object => scaling(object, profile))
    .map(withoutEmptyData);
}

/** Once in a text, so that Services, host names, pods and queries stay of one mind. */
function renamed(object: KubeObject, { service }: Profile): KubeObject {
  const isCalled = object.kind === 'Service' && object.metadata.name === DOUBLED;
  const isGatewayFile = object.kind === 'ConfigMap' && object.metadata.name === `${FLEET}-gateway`;
  const text = JSON.stringify(object).replaceAll(DOUBLED, isGatewayFile ? service : FLEET);
  const plainObject = JSON.parse(text) as KubeObject;
  const name = isCalled ? service : plainObject.metadata.name;
  const { annotations, ...metadata } = plainObject.metadata;
  return {
    ...plainObject,
    metadata: {
      ...metadata,
      name,
      labels: ownLabels(metadata.labels),
      ...(annotations === undefined ? {} : { annotations }),
    },
    ...withTemplateLabels(plainObject),
  };
}

/** Nobody but a person looks after these objects. */
function ownLabels(labels: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return { ...labels, 'app.kubernetes.io/managed-by': MANAGED_BY_PROFILE };
}

interface Workload {
  readonly replicas?: number;
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
}
interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes: readonly (Fields & { readonly name: string })[];
}
interface Container extends Fields {
  readonly name: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts: readonly { readonly name: string; readonly readOnly?: boolean }[];
}

function withTemplateLabels(object: KubeObject): Fields {
  const spec = object['spec'] as Workload | undefined;
  if (spec?.template?.metadata === undefined) return {};
  const { template } = spec;
  const metadata = { ...template.metadata, labels: ownLabels(template.metadata.labels) };
  return { spec: { ...spec, template: { ...template, metadata } } };
}

/** Else every apply would set back what the autoscaler set. */
function withoutReplicas(object: KubeObject): KubeObject {
  const { replicas: _count, ...spec } = object['spec'] as Fields;
  return { ...object, spec };
}

/** There is no resource whose size could be set: the pods' own set is scaled. */
function scaling(object: KubeObject, { workload }: Profile): KubeObject {
  if (object.kind !== 'HorizontalPodAutoscaler') return object;
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: workload, name: FLEET };
  return { ...object, spec: { ...(object['spec'] as Fields), scaleTargetRef } };
}

const isOfWriter = ({ metadata }: KubeObject): boolean => metadata.name.startsWith(WRITER);

const STRATEGIES = {
  Recreate: { type: 'Recreate' },
  OneAway: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
  OneMore: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
} as const;

function asDeployment(object: KubeObject, { strategy }: Profile): KubeObject {
  const {
    serviceName: _service,
    podManagementPolicy: _order,
    updateStrategy: _update,
    ...spec
  } = object['spec'] as Fields;
  return { ...object, kind: 'Deployment', spec: { ...spec, strategy: STRATEGIES[strategy] } };
}

/** Written to by `ollama pull` in any pod, as the seed documents do; nothing that another pod is pulling is pruned. */
function withClaim(object: KubeObject, { claim, workload }: Profile): KubeObject {
  const spec = object['spec'] as Workload;
  const { template } = spec;
  const volume = { name: 'models', persistentVolumeClaim: { claimName: claim.name } };
  const isWritten = workload === 'Deployment';
  const containers = template.spec.containers.map(container =>
    container.name === 'ollama' && isWritten ? writable(container) : container,
  );
  const volumes = template.spec.volumes.map(one => (one.name === 'models' ? volume : one));
  return {
    ...object,
    spec: { ...spec, template: { ...template, spec: { ...template.spec, containers, volumes } } },
  };
}

function writable(container: Container): Container {
  const env = container.env.filter(({ name }) => name !== 'OLLAMA_NOPRUNE');
  return {
    ...container,
    env: [...env, { name: 'OLLAMA_NOPRUNE', value: '1' }],
    volumeMounts: container.volumeMounts.map(({ readOnly: _mode, ...mount }) => mount),
  };
}

/** Secrets are filled in the cluster, so that no key lies in a file; what is empty the server leaves out, and an apply would add it for ever. */
function withoutEmptyData(object: KubeObject): KubeObject {
  const { data, ...rest } = object;
  const isEmpty = typeof data === 'object' && data !== null && Object.keys(data).length === 0;
  return isEmpty ? rest : object;
}
