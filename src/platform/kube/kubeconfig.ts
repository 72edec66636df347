// Where the API server is and who we are, from a kubeconfig file or the service account of a pod.
// Never runs a credential program: a file that asks for one is refused with a way out.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { BigoError } from '../../api/errors.ts';

export interface KubeAccess {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly skipsVerification: boolean;
  readonly token?: string;
  /** Read again when it is old or was refused: tokens of service accounts change about hourly. */
  readonly tokenFile?: string;
  readonly basic?: string;
  /** Of the current context, or of the pod. */
  readonly namespace: string;
}

interface Named<Value> {
  readonly name: string;
  readonly value: Value | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const accountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The named file, else the pod's service account. */
export function kubeAccess(input: {
  readonly file?: string | undefined;
  /** Of the file; absent = its current context. */
  readonly context?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly accountDir?: string;
}): KubeAccess {
  if (input.file !== undefined) return fromKubeconfig(input.file, input.context);
  const inCluster = fromServiceAccount(input.env, input.accountDir ?? accountDir);
  if (inCluster !== undefined) return inCluster;
  throw new BigoError(
    'no_cluster',
    'No Kubernetes cluster is named: there is no kubeconfig, and this is not a pod with a service account.',
  );
}

function fromServiceAccount(
  env: Readonly<Record<string, string | undefined>>,
  dir: string,
): KubeAccess | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const tokenFile = join(dir, 'token');
  if (host === undefined || !existsSync(tokenFile)) return undefined;
  const hostText = host.includes(':') ? `[${host}]` : host;
  return {
    server: `https://${hostText}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`,
    ca: readFileSync(join(dir, 'ca.crt'), 'utf8'),
    skipsVerification: false,
    tokenFile,
    namespace: readFileSync(join(dir, 'namespace'), 'utf8').trim(),
  };
}

function fromKubeconfig(file: string, wanted: string | undefined): KubeAccess {
  const config = readConfig(file);
  const context = pick(config, 'contexts', wanted ?? text(config['current-context']), 'context');
  if (wanted !== undefined && context.value === undefined)
    throw badConfig(file, `it has no context "${wanted}"`);
  const cluster = pick(config, 'clusters', text(context.value?.['cluster']), 'cluster');
  const user = pick(config, 'users', text(context.value?.['user']), 'user');
  if (cluster.value === undefined || text(cluster.value['server']) === undefined) {
    throw badConfig(
      file,
      `the ${wanted === undefined ? 'current context' : `context "${wanted}"`} names no cluster with a server`,
    );
  }
  const person = user.value ?? {};
  if (person['exec'] !== undefined || person['auth-provider'] !== undefined) {
    throw badConfig(
      file,
      `user "${user.name}" gets its token from another program: write a token, tokenFile or client certificate`,
    );
  }
  const read = (from: Fields, field: string) => readData(file, from, field);
  return {
    server: (text(cluster.value['server']) ?? '').replace(/\/+$/, ''),
    skipsVerification: cluster.value['insecure-skip-tls-verify'] === true,
    namespace: text(context.value?.['namespace']) ?? 'default',
    ...present('serverName', text(cluster.value['tls-server-name'])),
    ...present('ca', read(cluster.value, 'certificate-authority')),
    ...present('cert', read(person, 'client-certificate')),
    ...present('key', read(person, 'client-key')),
    ...present('token', text(person['token'])),
    ...present('tokenFile', absolute(file, text(person['tokenFile']))),
    ...present('basic', basic(person)),
  };
}

function readConfig(file: string): Fields {
  try {
    const config: unknown = parse(readFileSync(file, 'utf8'));
    if (typeof config === 'object' && config !== null) return config as Fields;
  } catch (error) {
    throw badConfig(file, firstLine((error as Error).message));
  }
  throw badConfig(file, 'it is empty');
}

function pick(config: Fields, list: string, name: string | undefined, field: string): Named<Fields> {
  const entries = (config[list] ?? []) as readonly Fields[];
  const entry = entries.find(candidate => candidate['name'] === name);
  return { name: name ?? '', value: entry?.[field] as Fields | undefined };
}

/** `x-data` holds it in base64, `x` names a file beside the kubeconfig. */
function readData(file: string, from: Fields, field: string): string | undefined {
  const data = text(from[`${field}-data`]);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const path = absolute(file, text(from[field]));
  return path === undefined ? undefined : readFileSync(path, 'utf8');
}

function absolute(file: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(dirname(file), path);
}

function basic(user: Fields): string | undefined {
  const name = text(user['username']);
  return name === undefined
    ? undefined
    : Buffer.from(`${name}:${text(user['password']) ?? ''}`).toString('base64');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function present<Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };
}

/** The rest of an error of YAML shows the text again, which may hold a token. */
const firstLine = (text: string): string => (text.split('\n')[0] ?? '').replace(/:$/, '');

function badConfig(file: string, why: string): BigoError {
  return new BigoError('bad_kubeconfig', `The kubeconfig ${file} cannot be used: ${why}.`);
}
