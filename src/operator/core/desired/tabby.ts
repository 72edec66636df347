// Tabby with every kind of model taken from the fleet, so that it starts no model server of its own and needs no GPU.
// Never more than one pod: it keeps its data in SQLite.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ResolvedTabby } from '../../../api/ollama-deployment/resolve.ts';
import { ANNOTATION_PREFIX, PORTS } from '../names.ts';
import { componentObjects, withUserEnv } from './component.ts';
import type { Context } from './input.ts';
import { object, secretData } from './object.ts';
import { tcpProbe, writableContainerSecurity } from './pod.ts';
import { keysSecretName } from './secrets.ts';
import { fillInTheMiddle } from './fill-in-the-middle.ts';

const ROOT = '/data';
const CONFIG = 'config.toml';

export function tabbyObjects(context: Context): KubeObject[] {
  const { tabby: wish } = context.resolved;
  if (wish === undefined) return [];
  const settings = modelSettings(context, wish);
  const secret = { apiVersion: 'v1', kind: 'Secret', name: context.names.tabby, app: 'tabby' } as const;
  const text = toml(settings, apiKey(context, wish));
  return [
    object(context, secret, { type: 'Opaque', data: secretData({ [CONFIG]: text }) }),
    ...componentObjects(context, {
      app: 'tabby',
      wish,
      container: container(wish),
      volumes: [
        {
          name: 'config',
          secret: { secretName: context.names.tabby, items: [{ key: CONFIG, path: CONFIG }] },
        },
        ...wish.volumes,
      ],
      // It reads its configuration when it starts.
      annotations: { [`${ANNOTATION_PREFIX}config`]: JSON.stringify(settings) },
    }),
  ];
}

function container(wish: ResolvedTabby): Record<string, unknown> {
  const slow = { periodSeconds: 5, failureThreshold: 120 };
  return {
    name: 'tabby',
    image: wish.image,
    imagePullPolicy: 'IfNotPresent',
    // The other binary of the image does not start without the libraries of a GPU driver.
    command: ['/opt/tabby/bin/tabby-cpu'],
    args: ['serve', '--host', '0.0.0.0', '--port', String(PORTS.tabby)],
    env: withUserEnv(
      [
        { name: 'HOME', value: ROOT },
        { name: 'TABBY_ROOT', value: ROOT },
        { name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' },
      ],
      wish.envVars,
    ),
    ports: [{ name: 'http', containerPort: PORTS.tabby, protocol: 'TCP' }],
    // /v1/health wants a token.
    startupProbe: tcpProbe('http', slow),
    readinessProbe: tcpProbe('http', { periodSeconds: 10, failureThreshold: 3 }),
    livenessProbe: tcpProbe('http', { periodSeconds: 20, failureThreshold: 6 }),
    resources: wish.resources,
    securityContext: writableContainerSecurity,
    volumeMounts: [
      { name: 'data', mountPath: ROOT },
      { name: 'config', mountPath: `${ROOT}/${CONFIG}`, subPath: CONFIG, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      ...wish.volumeMounts,
    ],
  };
}

type Section = Readonly<Record<string, string>>;

function modelSettings(context: Context, wish: ResolvedTabby): Readonly<Record<string, Section>> {
  const service = wish.ollama ?? { name: context.names.ollama, port: context.resolved.ollama.service.port };
  const base = `http://${service.name}:${service.port}`;
  return {
    'model.completion.http': {
      kind: 'ollama/completion',
      model_name: wish.completionModel,
      api_endpoint: base,
      prompt_template: fillInTheMiddle(wish.completionModel),
    },
    'model.chat.http': { kind: 'openai/chat', model_name: wish.chatModel, api_endpoint: `${base}/v1` },
    'model.embedding.http': { kind: 'ollama/embedding', model_name: wish.embeddingModel, api_endpoint: base },
  };
}

function apiKey(context: Context, wish: ResolvedTabby): string | undefined {
  const keys = keysSecretName(context.resolved);
  if (keys === undefined || wish.ollama !== undefined) return undefined;
  return context.secrets[keys]?.['tabby-key'];
}

/** A JSON text is a basic string of TOML. */
function toml(sections: Readonly<Record<string, Section>>, key: string | undefined): string {
  const all = Object.entries(sections).map(([name, section]) => {
    const fields = { ...section, ...(key === undefined ? {} : { api_key: key }) };
    const lines = Object.entries(fields).map(([field, value]) => `${field} = ${JSON.stringify(value)}`);
    return [`[${name}]`, ...lines].join('\n');
  });
  return `${all.join('\n\n')}\n`;
}
