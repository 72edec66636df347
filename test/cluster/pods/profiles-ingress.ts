// nginx in front of a Service as an Ingress and its annotations want it: what an Ingress controller would make of them.
// Never gives what no annotation asks for: without one, an administrator's defaults hold, and they hold answers back.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { freePort } from '../../tools/free-port.ts';
import { find } from '../../tools/parts.ts';
import { Daemon } from '../tools/daemon.ts';
import type { KubeClient, KubeObject } from '../tools/kube-client.ts';
import { stateMsMax } from './fleet.ts';

const prefix = 'nginx.ingress.kubernetes.io/';

/** Each annotation with the directive that it becomes; those that are required have no default that would do. */
const directives: Readonly<Record<string, (value: string) => string>> = {
  'proxy-body-size': value => `client_max_body_size ${value};`,
  'proxy-buffering': value => `proxy_buffering ${value};`,
  'proxy-read-timeout': value => `proxy_read_timeout ${value}s;`,
  'proxy-send-timeout': value => `proxy_send_timeout ${value}s;`,
};
/** Whether they hold shows only after a minute of silence, so here they must at least be there. */
const required = ['proxy-read-timeout', 'proxy-send-timeout'];

interface IngressWish {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  readonly folder: string;
  /** Annotations that are overlooked, to see that they matter. */
  readonly without?: readonly string[];
}

interface Ask {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly key?: string;
}

export class Ingress {
  readonly #server: Daemon;
  readonly #port: number;
  readonly #host: string;
  readonly #certificate: string;

  constructor(made: { server: Daemon; port: number; host: string; certificate: string }) {
    this.#server = made.server;
    this.#port = made.port;
    this.#host = made.host;
    this.#certificate = made.certificate;
  }

  /** Over TLS, under the host name of the rule, with the certificate of its Secret. */
  send({ method, path: target, body, key }: Ask): Promise<IncomingMessage> {
    const headers = { host: this.#host, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) };
    const place = { host: '127.0.0.1', port: this.#port, servername: this.#host, ca: this.#certificate };
    return new Promise((resolve, reject) => {
      const asked = request({ ...place, method, path: target, headers, agent: false }, resolve);
      asked.once('error', reject);
      asked.end(body);
    });
  }

  async ask(ask: Ask): Promise<{ status: number; text: string }> {
    const answer = await this.send(ask);
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
  }

  stop(): Promise<void> {
    return this.#server.end('SIGKILL');
  }
}

export async function startIngress(wish: IngressWish): Promise<Ingress> {
  const { client, namespace, name } = wish;
  const folder = path.join(wish.folder, `nginx-${(wish.without ?? []).length}-${namespace}`);
  await mkdir(folder, { recursive: true });
  const ingress = await client.get({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    namespace,
    name,
  });
  const [rule] = ingress['spec'].rules as Rule[];
  const [tls] = ingress['spec'].tls as { hosts: string[]; secretName: string }[];
  if (rule === undefined || tls === undefined || !tls.hosts.includes(rule.host))
    throw new Error('The Ingress has no rule with TLS for its host.');
  const secret = await client.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: tls.secretName });
  for (const file of ['tls.crt', 'tls.key'])
    await writeFile(path.join(folder, file), Buffer.from(secret['data'][file], 'base64'), { mode: 0o600 });
  const port = await freePort();
  const upstream = await upstreamOf(client, namespace, rule);
  const annotated = directivesOf(ingress, wish.without ?? []);
  await writeFile(
    path.join(folder, 'nginx.conf'),
    configuration({ folder, port, host: rule.host, upstream, annotated }),
  );
  const words = ['-c', path.join(folder, 'nginx.conf'), '-e', path.join(folder, 'error.log')];
  const server = new Daemon({ name: 'nginx', command: [(await find('nginx')) ?? 'nginx', ...words], folder });
  await server.start();
  const certificate = await readFile(path.join(folder, 'tls.crt'), 'utf8');
  const stood = new Ingress({ server, port, host: rule.host, certificate });
  try {
    await server.until(
      async () => (await stood.ask({ method: 'GET', path: '/api/version' })).status === 200,
      stateMsMax,
    );
    return stood;
  } catch (error) {
    await stood.stop();
    throw error;
  }
}

interface Rule {
  readonly host: string;
  readonly http: {
    readonly paths: readonly {
      readonly backend: {
        readonly service: { readonly name: string; readonly port: { readonly name: string } };
      };
    }[];
  };
}

async function upstreamOf(client: KubeClient, namespace: string, { http }: Rule): Promise<string> {
  const backend = http.paths[0]?.backend.service;
  const service = await client.get({
    apiVersion: 'v1',
    kind: 'Service',
    namespace,
    name: backend?.name ?? '',
  });
  const ports = service['spec'].ports as { name: string; port: number }[];
  const port = ports.find(one => one.name === backend?.port.name);
  if (port === undefined) throw new Error(`Service ${backend?.name} has no port ${backend?.port.name}.`);
  return `http://${service['spec'].clusterIP}:${port.port}`;
}

function directivesOf({ metadata }: KubeObject, without: readonly string[]): string[] {
  const given = Object.entries(directives).flatMap(([name, directive]) => {
    const value = metadata.annotations?.[prefix + name];
    if (value !== undefined) return without.includes(name) ? [] : [directive(value)];
    if (required.includes(name)) throw new Error(`The Ingress has no annotation ${prefix}${name}.`);
    return [];
  });
  return given;
}

interface ConfigurationOf {
  readonly folder: string;
  readonly port: number;
  readonly host: string;
  readonly upstream: string;
  readonly annotated: readonly string[];
}

/**
 * One process, so that it ends when its parent does. The buffers are so large that a whole answer fits: where answers are held
 * back, nothing comes before the end. To the pods it speaks HTTP/1.0, nginx's own default and the harder case: the pieces
 * of HTTP/1.1 this nginx hands on one by one in any case. That the gateway itself asks not to be held back is not heard,
 * so that the annotations alone must do.
 */
function configuration({ folder, port, host, upstream, annotated }: ConfigurationOf): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `user root; daemon off; master_process off; pid ${folder}/pid;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join(' ')}
  proxy_buffering on; proxy_buffer_size 1m; proxy_buffers 8 1m; proxy_ignore_headers X-Accel-Buffering;
  server {
    listen 127.0.0.1:${port} ssl;
    server_name ${host};
    ssl_certificate ${folder}/tls.crt; ssl_certificate_key ${folder}/tls.key;
    location / {
      ${annotated.join('\n      ')}
      proxy_set_header Host $host;
      proxy_pass ${upstream};
    }
  }
}
`;
}
