// The gateway pods: Deployment, configuration, the Service of their admin port, and what they may ask the API server.
// Never a key or a token in the configuration: those come from Secrets.
import { GATEWAY_FILE, KEYS_FILE } from '../../../api/cluster-files.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import { labelsOf, podName, PORTS, selectorOf, selectorText } from '../names.ts';
import type { Context } from './input.ts';
import { configMap, object, tidy, yamlText } from './object.ts';
import { containerSecurity, emptyDir, httpProbe, podDefaults, podSecurity, spread } from './pod.ts';
import { keysSecretName } from './secrets.ts';

const CONFIG_FOLDER = '/etc/bigo/config';
const KEYS_FOLDER = '/etc/bigo/keys';
const STATE_FOLDER = '/var/lib/bigo';
/** Load balancers and proxies go on sending for a while after a pod began to end. */
const DRAIN_GRACE_SECONDS = 10;

type Gateway = NonNullable<Context['resolved']['gateway']>;

export function gatewayObjects(context: Context): KubeObject[] {
  const { gateway } = context.resolved;
  if (gateway === undefined) return [];
  return [
    configMap(
      context,
      { name: context.names.gateway, app: 'gateway' },
      { [GATEWAY_FILE]: yamlText(gatewayFile(context, gateway)) },
    ),
    ...permissions(context),
    deployment(context, gateway),
    adminService(context),
  ];
}

/** Loadable by the configuration schema of a gateway; what is not said here has its default there. */
function gatewayFile(context: Context, gateway: Gateway): Record<string, unknown> {
  const { name, namespace, ollama } = context.resolved;
  const { auth } = gateway;
  const isShared = ollama.storage.mode === 'shared';
  return tidy({
    workers: { ollama: { routing: routing(context), clusters: gateway.clusters } },
    bus: { type: 'memory', queue_size: gateway.queueSize },
    gateway: {
      listen: `0.0.0.0:${PORTS.gateway}`,
      admin: `0.0.0.0:${PORTS.gatewayAdmin}`,
      aliases: gateway.aliases,
      declared_models: [...ollama.models, ...ollama.derivedModels.map(model => model.name)],
      hosts: hosts(context, gateway),
      insecure: auth.mode === 'none',
      anonymous_role: auth.anonymousRole,
      keys_file: auth.mode === 'none' ? undefined : `${KEYS_FOLDER}/${KEYS_FILE}`,
      journal_dir: `${STATE_FOLDER}/journal`,
      kubernetes: {
        selector: selectorText(selectorOf(name, 'ollama')),
        namespace,
        port: PORTS.ollama,
        agent_port: PORTS.agent,
        slots: ollama.settings.numParallel,
        store: isShared ? context.names.models : undefined,
        writer_selector: isShared ? selectorText(selectorOf(name, 'writer')) : undefined,
        gateway_selector: selectorText(selectorOf(name, 'gateway')),
        fleet: name,
      },
      time: { drain_grace: `${DRAIN_GRACE_SECONDS}s`, drain_max: `${ollama.drainSeconds}s` },
    },
  });
}

/** A folder that all pods share holds every model for every pod. */
function routing({ resolved }: Context): Record<string, unknown>[] {
  const { placement, storage } = resolved.ollama;
  if (storage.mode === 'shared') return [];
  return placement.map(({ model, replicas }) => ({
    model,
    pods: replicas.map(ordinal => podName(resolved.name, ordinal)),
  }));
}

/** Names that clients may call the gateway by; outside addresses are not known here, and keys protect those. */
function hosts(context: Context, gateway: Gateway): string[] {
  const { namespace, ollama } = context.resolved;
  if (ollama.service.type !== 'ClusterIP') return ['*'];
  const services = [context.names.ollama, context.names.gateway].flatMap(service => [
    service,
    `${service}.${namespace}`,
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.${context.settings.clusterDomain}`,
  ]);
  return gateway.ingress === undefined ? services : [...services, gateway.ingress.host];
}

function permissions(context: Context): KubeObject[] {
  const { gateway: name } = context.names;
  const app = 'gateway';
  const rbac = 'rbac.authorization.k8s.io';
  const identity = (apiVersion: string, kind: string) => ({ apiVersion, kind, name, app }) as const;
  return [
    object(context, identity(`${rbac}/v1`, 'Role'), {
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
    }),
    object(context, identity(`${rbac}/v1`, 'RoleBinding'), {
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: context.resolved.namespace }],
    }),
  ];
}

function container(context: Context, gateway: Gateway): Record<string, unknown> {
  const hasKeys = keysSecretName(context.resolved) !== undefined;
  const token = { secretKeyRef: { name: context.names.gatewayAdmin, key: 'token' } };
  return {
    name: 'gateway',
    image: context.kept?.gateway ?? context.settings.image,
    imagePullPolicy: 'IfNotPresent',
    args: ['gateway', '--config', `${CONFIG_FOLDER}/${GATEWAY_FILE}`],
    env: [
      { name: 'BIGO_GATEWAY_ADMIN_TOKEN', valueFrom: token },
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'HOME', value: '/tmp' },
    ],
    ports: [
      { name: 'http', containerPort: PORTS.gateway, protocol: 'TCP' },
      { name: 'admin', containerPort: PORTS.gatewayAdmin, protocol: 'TCP' },
    ],
    startupProbe: httpProbe('/livez', 'admin', { periodSeconds: 1, failureThreshold: 60 }),
    readinessProbe: httpProbe('/readyz', 'admin', { periodSeconds: 2, failureThreshold: 2 }),
    livenessProbe: httpProbe('/livez', 'admin', { periodSeconds: 10, failureThreshold: 6 }),
    resources: gateway.resources,
    securityContext: containerSecurity,
    volumeMounts: [
      { name: 'config', mountPath: CONFIG_FOLDER, readOnly: true },
      ...(hasKeys ? [{ name: 'keys', mountPath: KEYS_FOLDER, readOnly: true }] : []),
      { name: 'state', mountPath: STATE_FOLDER },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

function deployment(context: Context, gateway: Gateway): KubeObject {
  const { name, ollama } = context.resolved;
  const { names } = context;
  const keys = keysSecretName(context.resolved);
  const keysItems = [{ key: KEYS_FILE, path: KEYS_FILE }];
  const selector = selectorOf(name, 'gateway');
  const identity = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: names.gateway,
    app: 'gateway',
  } as const;
  return object(context, identity, {
    spec: {
      replicas: gateway.replicas,
      revisionHistoryLimit: 5,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: labelsOf(name, 'gateway') },
        spec: {
          ...podDefaults,
          // It watches pods.
          automountServiceAccountToken: true,
          serviceAccountName: names.gateway,
          // Twice: a connection whose stream began before the drain may carry one more request.
          terminationGracePeriodSeconds: 2 * ollama.drainSeconds + DRAIN_GRACE_SECONDS + 30,
          securityContext: podSecurity(),
          topologySpreadConstraints: spread(selector),
          containers: [container(context, gateway)],
          volumes: [
            { name: 'config', configMap: { name: names.gateway } },
            ...(keys === undefined ? [] : [{ name: 'keys', secret: { secretName: keys, items: keysItems } }]),
            emptyDir('state'),
            emptyDir('tmp'),
          ],
        },
      },
    },
  });
}

/** Its name resolves to every gateway, also those that are ending: agents ask each of them. */
function adminService(context: Context): KubeObject {
  const name = context.names.gateway;
  return object(
    context,
    { apiVersion: 'v1', kind: 'Service', name, app: 'gateway' },
    {
      spec: {
        clusterIP: 'None',
        publishNotReadyAddresses: true,
        selector: selectorOf(context.resolved.name, 'gateway'),
        ports: [
          { name: 'http', port: PORTS.gateway, targetPort: 'http', protocol: 'TCP' },
          { name: 'admin', port: PORTS.gatewayAdmin, targetPort: 'admin', protocol: 'TCP' },
        ],
      },
    },
  );
}
