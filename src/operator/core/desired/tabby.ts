// Tabby with every kind of model taken from the fleet, so that it starts no model server of its own and needs no GPU.
// Never more than one pod: it keeps its data in SQLite.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ResolvedTabby } from '../../../api/ollama-deployment/resolve.ts';
import { ANNOTATION_PREFIX, PORTS } from '../names.ts';
import { componentObjects, withUserEnv } from './component.ts';
import type { Context } from './input.ts';
import { object, secretData } from './object.ts';
import { tcpProbe, writableContainerSecurity } from './pod.ts';
import { keysSecretName, TABBY_JWT_SECRET } from './secrets.ts';
import { fillInTheMiddle } from './fill-in-the-middle.ts';

const VOLUME = '/data';
/** Not the volume itself: Tabby sets the mode of this folder at its start, which only the folder's owner may (crates/tabby/src/main.rs). */
const ROOT = `${VOLUME}/tabby`;
const CONFIG = 'config.toml';
const CONFIG_FOLDER = '/etc/tabby';
/** Its configuration can lie nowhere but in that folder (crates/tabby-common/src/path.rs). */
const START = `mkdir -p "$TABBY_ROOT" && ln -sfn ${CONFIG_FOLDER}/${CONFIG} "$TABBY_ROOT/${CONFIG}" && exec "$0" "$@"`;

export function tabbyObjects(context: Context): KubeObject[] {
  const { tabby: wish } = context.resolved;
  if (wish === undefined) return [];
  const settings = modelSettings(context, wish);
  const secret = { apiVersion: 'v1', kind: 'Secret', name: context.names.tabby, app: 'tabby' } as const;
  const text = toml(settings, apiKey(context, wish));
  const texts = { [CONFIG]: text, ...context.secrets[context.names.tabby] };
  return [
    object(context, secret, { type: 'Opaque', data: secretData(texts) }),
    ...componentObjects(context, {
      app: 'tabby',
      wish,
      container: container(context, wish),
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

function container(context: Context, wish: ResolvedTabby): Record<string, unknown> {
  const slow = { periodSeconds: 5, failureThreshold: 120 };
  const jwtSecret = { secretKeyRef: { name: context.names.tabby, key: TABBY_JWT_SECRET } };
  return {
    name: 'tabby',
    image: wish.image,
    imagePullPolicy: 'IfNotPresent',
    // Of older images the other binary does not start without the libraries of a GPU driver.
    command: ['/bin/sh', '-c', START, '/opt/tabby/bin/tabby-cpu'],
    args: ['serve', '--host', '0.0.0.0', '--port', String(PORTS.tabby)],
    env: withUserEnv(
      [
        { name: 'HOME', value: VOLUME },
        { name: 'TABBY_ROOT', value: ROOT },
        // Without it everybody is signed out at each restart (ee/tabby-webserver/src/jwt.rs).
        { name: 'TABBY_WEBSERVER_JWT_TOKEN_SECRET', valueFrom: jwtSecret },
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
      { name: 'data', mountPath: VOLUME },
      { name: 'config', mountPath: CONFIG_FOLDER, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      ...wish.volumeMounts,
    ],
  };
}

type Section = Readonly<Record<string, string>>;

function modelSettings(context: Context, wish: ResolvedTabby): Readonly<Record<string, Section>> {
  const service = wish.ollama ?? { name: context.names.ollama, port: context.resolved.ollama.service.port };
  const base = `http://${service.name}:${service.port}`;
  const v1 = `${base}/v1`;
  const [completion, chat, embedding] = [wish.completionModel, wish.chatModel, wish.embeddingModel];
  const chatting = { kind: 'openai/chat', model_name: chat, api_endpoint: v1 };
  // What speaks Ollama's own API there sends no key (crates/ollama-api-bindings), and what speaks OpenAI's leaves
  // the words between prefix and suffix to the model's template (crates/http-api-bindings/src/completion).
  if (keysFor(context, wish) !== undefined) {
    return {
      'model.completion.http': { kind: 'openai/completion', model_name: completion, api_endpoint: v1 },
      'model.chat.http': chatting,
      'model.embedding.http': { kind: 'openai/embedding', model_name: embedding, api_endpoint: v1 },
    };
  }
  return {
    'model.completion.http': {
      kind: 'ollama/completion',
      model_name: completion,
      api_endpoint: base,
      prompt_template: fillInTheMiddle(completion),
    },
    'model.chat.http': chatting,
    'model.embedding.http': { kind: 'ollama/embedding', model_name: embedding, api_endpoint: base },
  };
}

/** The Secret with its key; another Ollama Service than the fleet's is asked without one. */
function keysFor({ resolved }: Context, wish: ResolvedTabby): string | undefined {
  return wish.ollama === undefined ? keysSecretName(resolved) : undefined;
}

function apiKey(context: Context, wish: ResolvedTabby): string | undefined {
  const keys = keysFor(context, wish);
  return keys === undefined ? undefined : context.secrets[keys]?.['tabby-key'];
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
