// The native sidecar of every Ollama pod, and the file that tells it what to have. Never decides what is ready: the agent does.
import { MODELS_FILE, type ModelsFile } from '../../../api/cluster-files.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import { modelKey } from '../../../api/names.ts';
import { type App, PORTS, selectorOf, selectorText } from '../names.ts';
import type { Context } from './input.ts';
import { configMap, tidy, yamlText } from './object.ts';
import { containerSecurity, httpProbe } from './pod.ts';

const MODELS_FOLDER = '/etc/bigo/models';
const TOKEN_FOLDER = '/etc/bigo/gateway';

const agentImage = ({ kept, settings }: Context): string => kept?.agent ?? settings.image;

/** `role` reader: the store is mounted read-only and filled by the writer. */
export function agentContainer(context: Context, role: 'writer' | 'reader'): Record<string, unknown> {
  const { path } = context.resolved.ollama.storage;
  const hasGateway = context.resolved.gateway !== undefined;
  const tokenFlags = hasGateway ? ['--gateway-token-file', `${TOKEN_FOLDER}/token`] : [];
  return {
    name: 'agent',
    image: agentImage(context),
    imagePullPolicy: 'IfNotPresent',
    restartPolicy: 'Always',
    args: [
      'agent',
      '--models',
      `${MODELS_FOLDER}/${MODELS_FILE}`,
      '--store',
      path,
      '--role',
      role,
      ...tokenFlags,
    ],
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'HOME', value: '/tmp' },
    ],
    ports: [{ name: 'agent', containerPort: PORTS.agent, protocol: 'TCP' }],
    readinessProbe: httpProbe('/readyz', 'agent', { periodSeconds: 5, failureThreshold: 2 }),
    livenessProbe: httpProbe('/livez', 'agent', { periodSeconds: 20, failureThreshold: 6 }),
    resources: { requests: { cpu: '50m', memory: '96Mi' }, limits: { memory: '384Mi' } },
    securityContext: containerSecurity,
    volumeMounts: [
      { name: 'models', mountPath: path, ...(role === 'reader' ? { readOnly: true } : {}) },
      { name: 'models-file', mountPath: MODELS_FOLDER, readOnly: true },
      ...(hasGateway ? [{ name: 'gateway-token', mountPath: TOKEN_FOLDER, readOnly: true }] : []),
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

export function agentVolumes({ names, resolved }: Context): Record<string, unknown>[] {
  const file = { name: 'models-file', configMap: { name: names.models } };
  const items = [{ key: 'token', path: 'token' }];
  const token = { name: 'gateway-token', secret: { secretName: names.gatewayAdmin, items } };
  return resolved.gateway === undefined ? [file] : [file, token];
}

export function modelsConfigMap(context: Context): KubeObject {
  const app: App = 'ollama';
  return configMap(
    context,
    { name: context.names.models, app },
    { [MODELS_FILE]: yamlText(modelsFile(context)) },
  );
}

function modelsFile(context: Context): ModelsFile {
  const { ollama, name, gateway } = context.resolved;
  const { storage } = ollama;
  const places = new Map(ollama.placement.map(place => [modelKey(place.model), place.replicas]));
  // One folder for all pods: what one has, all have.
  const placed = (model: string) => (storage.mode === 'shared' ? undefined : places.get(modelKey(model)));
  const service = `${context.names.gateway}.${context.resolved.namespace}.svc`;
  const selector = selectorText(selectorOf(name, 'gateway'));
  return tidy({
    models: ollama.models.map(model => ({ name: model, replicas: placed(model) })),
    derived: ollama.derivedModels.map(({ parameters, ...model }) => ({
      ...model,
      parameters: (parameters ?? {}) as ModelsFile['derived'][number]['parameters'],
      replicas: placed(model.name),
    })),
    deleteUndeclared: ollama.deleteUndeclaredModels,
    verify: { bytesPerSecond: 20_000_000, intervalHours: 168 },
    drainSeconds: ollama.drainSeconds,
    gateways: gateway === undefined ? undefined : { service, adminPort: PORTS.gatewayAdmin, selector },
  });
}
