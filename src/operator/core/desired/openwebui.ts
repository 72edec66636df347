// OpenWebUI, connected to the fleet's own Service and to nothing else. Never more than one pod on SQLite: the schema sees to that.
import type { KubeObject } from '../../../api/kube-object.ts';
import { PORTS } from '../names.ts';
import { componentObjects, type Variable, withUserEnv } from './component.ts';
import type { Context } from './input.ts';
import { httpProbe, writableContainerSecurity } from './pod.ts';
import { keysSecretName, WEBUI_SECRET } from './secrets.ts';

const DATA = '/app/backend/data';

export function openwebuiObjects(context: Context): KubeObject[] {
  const { openwebui: wish } = context.resolved;
  if (wish === undefined) return [];
  const container = {
    name: 'openwebui',
    image: wish.image,
    imagePullPolicy: 'IfNotPresent',
    env: withUserEnv(environment(context), wish.envVars),
    ports: [{ name: 'http', containerPort: PORTS.openwebui, protocol: 'TCP' }],
    startupProbe: httpProbe('/health', 'http', { periodSeconds: 5, failureThreshold: 120 }),
    readinessProbe: httpProbe('/health', 'http', { periodSeconds: 10, failureThreshold: 3 }),
    livenessProbe: httpProbe('/health', 'http', { periodSeconds: 20, failureThreshold: 6 }),
    resources: wish.resources,
    securityContext: writableContainerSecurity,
    volumeMounts: [
      { name: 'data', mountPath: DATA },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  return componentObjects(context, { app: 'openwebui', wish, container, volumes: [], annotations: {} });
}

function environment(context: Context): Variable[] {
  const redisUrl = context.resolved.openwebui?.redisUrl;
  const secretKey = { secretKeyRef: { name: context.names.openwebui, key: WEBUI_SECRET } };
  return [
    { name: 'HOME', value: DATA },
    { name: 'DATA_DIR', value: DATA },
    { name: 'STATIC_DIR', value: `${DATA}/static` },
    { name: 'PORT', value: String(PORTS.openwebui) },
    { name: 'WEBUI_SECRET_KEY', valueFrom: secretKey },
    ...connection(context),
    ...(redisUrl === undefined
      ? []
      : [
          { name: 'ENABLE_WEBSOCKET_SUPPORT', value: 'true' },
          { name: 'REDIS_URL', value: redisUrl },
          { name: 'WEBSOCKET_MANAGER', value: 'redis' },
          { name: 'WEBSOCKET_REDIS_URL', value: redisUrl },
        ]),
  ];
}

/** It can send a key only on its OpenAI connection: no variable gives one to the Ollama connection. */
function connection(context: Context): Variable[] {
  const base = `http://${context.names.ollama}:${context.resolved.ollama.service.port}`;
  const keys = keysSecretName(context.resolved);
  if (keys === undefined) {
    return [
      { name: 'ENABLE_OLLAMA_API', value: 'true' },
      { name: 'OLLAMA_BASE_URL', value: base },
      { name: 'ENABLE_OPENAI_API', value: 'false' },
    ];
  }
  return [
    { name: 'ENABLE_OLLAMA_API', value: 'false' },
    { name: 'ENABLE_OPENAI_API', value: 'true' },
    { name: 'OPENAI_API_BASE_URL', value: `${base}/v1` },
    { name: 'OPENAI_API_KEY', valueFrom: { secretKeyRef: { name: keys, key: 'openwebui-key' } } },
  ];
}
