// Templates of the Model Manager: the objects of the profile model-hosting with the manager's own rules. Never its usage: it writes that itself.
import type { KubeObject } from '../../src/api/kube-object.ts';
import { MANAGER_CLUSTER_RULES, MANAGER_OWN_RULES, MANAGER_RULES } from '../../src/manager/core/rbac.ts';
import { MANAGER_APP } from '../../src/operator/core/names.ts';
import { defaultWish, profileOf } from '../../src/profiles/core/profiles.ts';
import { grants } from '../../src/profiles/core/plain.ts';
import type { Surroundings } from '../../src/profiles/core/types.ts';
import { gatewayObjects } from './gateway.ts';
import { callers, type Fields, fromApp, helmLabels, ingressPart, TEST_APP, workload } from './objects.ts';
import { expr, itemsIf, NAMESPACE, type Part } from './template.ts';

const NAME = 'model-manager';
const ENABLED = '$.Values.manager.enabled';
const NAMESPACES = '$.Values.manager.namespaces';
const PORT = 8080;
const EXPOSED = 'or $.Values.manager.ingress.enabled $.Values.manager.nodePort.enabled';

function ofProfile(): KubeObject[] {
  const profile = profileOf('model-hosting');
  if (profile === undefined) throw new Error('there is no profile model-hosting');
  const wish = { ...defaultWish(profile, ''), namespace: NAMESPACE };
  // What a fleet would be resolved to is not asked by these objects.
  const around = { wish } as Surroundings;
  return profile
    .extra(around)
    .filter(
      ({ kind, metadata }) =>
        ['ServiceAccount', 'Deployment', 'Service'].includes(kind) &&
        metadata.labels?.['app.kubernetes.io/name'] === MANAGER_APP,
    )
    .map(helmLabels);
}

export function managerParts(): Part[] {
  const parts = ofProfile().map((object): Part => {
    if (object.kind === 'Deployment') return { when: ENABLED, object: deployment(object) };
    if (object.kind === 'Service') return servicePart(object);
    return { when: ENABLED, object };
  });
  return [...rights(), ...parts, policy(), ingress()];
}

function rights(): Part[] {
  const common = { namespace: NAMESPACE, app: MANAGER_APP, account: NAME };
  const wide = { ...common, name: `${NAMESPACE}-${NAME}`, isClusterWide: true };
  const inEach = grants({ ...common, name: NAME, rules: MANAGER_RULES }).map(object => ({
    ...object,
    metadata: { ...object.metadata, namespace: expr('$item | quote') },
  }));
  const part =
    (when: string, each?: string) =>
    (object: KubeObject): Part => ({
      when,
      ...(each === undefined ? {} : { each }),
      object: helmLabels(object),
    });
  return [
    ...grants({ ...common, name: `${NAME}-own`, rules: MANAGER_OWN_RULES }).map(part(ENABLED)),
    ...[
      ...grants({ ...wide, rules: MANAGER_CLUSTER_RULES }),
      ...grants({ ...wide, name: `${wide.name}-fleets`, rules: MANAGER_RULES }),
    ].map(part(`and ${ENABLED} (not ${NAMESPACES})`)),
    ...inEach.map(part(ENABLED, NAMESPACES)),
  ];
}

function deployment(object: KubeObject): KubeObject {
  const token = { name: expr('$.Values.manager.tokenSecret'), key: 'token' };
  return workload(object, 'manager', container => ({
    ...container,
    args: [
      'manager',
      '--listen',
      `0.0.0.0:${PORT}`,
      ...itemsIf(NAMESPACES, '--namespaces', expr(`${NAMESPACES} | sortAlpha | uniq | join "," | quote`)),
      ...itemsIf('$.Values.manager.dcgmUrl', '--dcgm', expr('$.Values.manager.dcgmUrl | quote')),
    ],
    env: [
      ...(container['env'] as Fields[]),
      ...itemsIf('$.Values.manager.tokenSecret', {
        name: 'BIGO_MANAGER_TOKEN',
        valueFrom: { secretKeyRef: token },
      }),
    ],
  }));
}

function servicePart(object: KubeObject): Part {
  const { spec } = object as KubeObject & { spec: Fields & { ports: Fields[] } };
  const [port = {}] = spec.ports;
  if (spec['type'] !== 'NodePort') {
    return {
      when: ENABLED,
      object: {
        ...object,
        spec: { ...spec, ports: [{ ...port, port: expr('$.Values.manager.service.port') }] },
      },
    };
  }
  const ports = [
    {
      ...port,
      port: expr('$.Values.manager.nodePort.port'),
      nodePort: expr('$.Values.manager.nodePort.port'),
    },
  ];
  return {
    when: `and ${ENABLED} $.Values.manager.nodePort.enabled`,
    object: { ...object, spec: { ...spec, ports } },
  };
}

const metadata = () => ({
  name: NAME,
  namespace: NAMESPACE,
  labels: {
    'app.kubernetes.io/name': MANAGER_APP,
    'app.kubernetes.io/part-of': 'bigo',
    'app.kubernetes.io/managed-by': expr('$.Release.Service'),
  },
});

function policy(): Part {
  const ports = [{ port: PORT, protocol: 'TCP' }];
  return {
    when: `and ${ENABLED} $.Values.networkPolicy.enabled`,
    object: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: metadata(),
      spec: {
        podSelector: { matchLabels: { 'app.kubernetes.io/name': MANAGER_APP } },
        policyTypes: ['Ingress'],
        ingress: [
          { ports, from: callers(EXPOSED) },
          { ports, from: [fromApp(TEST_APP)] },
        ],
      },
    },
  };
}

/** The gateway's, with another name and Service behind it. */
function ingress(): Part {
  const found = gatewayObjects().find(({ kind }) => kind === 'Ingress');
  if (found === undefined) throw new Error('the operator makes no Ingress');
  const backend = { service: { name: 'model-manager-service', port: { name: 'http' } } };
  const rules = [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  const object = {
    ...found,
    metadata: { ...metadata(), annotations: found.metadata.annotations },
    spec: { rules },
  };
  return ingressPart(object, 'manager');
}
