// The real parts that tests use: where each is looked for, and how it is added when it is not there.
// Never builds or installs while looking; looking is fast and changes nothing.
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import {
  buildKube,
  builtKube,
  isKubeVersion,
  kubePrograms,
  kubeRecipes,
  type KubeProgram,
} from './build-kube.ts';
import { buildOllama, builtOllama, reportsVersion } from './build-ollama.ts';
import { installDebian } from '../../scripts/fetch/debian.ts';
import { fetchKubeClient, fetchedKubeClient } from './fetch-kube-client.ts';
import { fetchSmollm2, smollm2File } from './fetch-smollm2.ts';
import {
  buildManifestTool,
  builtManifestTool,
  installCheckov,
  installedCheckov,
  type ManifestTool,
} from './manifest-tools.ts';
import { fetchOther, otherDebianMark } from '../../scripts/image/other-processor.ts';
import { fetchModuleFiles, modulesFolder, type ModuleCollection } from './module-files.ts';

export const partNames = [
  'ollama',
  'smollm2',
  'llama',
  'redis-server',
  'nginx',
  'wrk',
  'chromium',
  ...kubePrograms,
  'kubectl',
  'helm',
  'kube-score',
  'kubeconform',
  'checkov',
  'foreign-kinds',
  'compose-schema',
  'containerd',
  'other-processor',
] as const;
export type PartName = (typeof partNames)[number];

/** A real Kubernetes API server with all that makes it one; the cluster suites need them together. */
export const controlPlaneParts = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
] as const satisfies readonly PartName[];

/** What makes a node of it, on which pods really run. */
export const nodeParts = [
  'kubelet',
  'kube-proxy',
  'coredns',
  'containerd',
] as const satisfies readonly PartName[];

/** The embedded engine writes this last when it installs its library in a clone. */
const llamaMark = path.resolve(
  import.meta.dirname,
  '../../src/engine/llama-package/node_modules/.bigo-installed',
);

export interface Part {
  /** An environment variable that names the file and wins over everything else. */
  readonly variable: string;
  /** What adding it costs, for people who wait. */
  readonly cost: string;
  /** True when adding it changes nothing but the cache folder, so that `npm test` may do it unasked. */
  readonly onlyCache: boolean;
  readonly look: () => Promise<string | undefined>;
  readonly add: () => Promise<string | undefined>;
}

function debianPart(variable: string, program: string, ...packages: readonly string[]): Part {
  const look = (): Promise<string | undefined> => onPath(program);
  const add = async (): Promise<string | undefined> => {
    await installDebian(packages);
    return look();
  };
  return { variable, cost: 'a Debian package, about a minute', onlyCache: false, look, add };
}

/** KUBEBUILDER_ASSETS names a folder, as it does for other projects' tests against a real API server. */
function kubePart(name: KubeProgram): Part {
  const look = async (): Promise<string | undefined> => {
    const asset = await usable(path.join(process.env['KUBEBUILDER_ASSETS'] ?? '/nonexistent', name));
    const found = asset ?? (await onPath(name));
    if (found !== undefined && isKubeVersion(name, found)) return found;
    return usable(builtKube(name));
  };
  const variable = `BIGO_${name.toUpperCase().replaceAll('-', '_')}`;
  return { variable, cost: kubeRecipes[name].cost, onlyCache: true, look, add: () => buildKube(name) };
}

function kubeClientPart(name: 'kubectl' | 'helm'): Part {
  const look = async (): Promise<string | undefined> =>
    (await onPath(name)) ?? usable(fetchedKubeClient(name));
  const add = (): Promise<string> => fetchKubeClient(name);
  return { variable: `BIGO_${name.toUpperCase()}`, cost: 'a download of 36 MB', onlyCache: true, look, add };
}

/** Only the ones built here: the tests count on what exactly these versions find, and on the schemas beside them. */
function manifestPart(name: ManifestTool): Part {
  const look = (): Promise<string | undefined> => usable(builtManifestTool(name));
  const variable = `BIGO_${name.toUpperCase().replaceAll('-', '_')}`;
  const cost = 'built from source, 1 to 2 minutes on 2 cores';
  return { variable, cost, onlyCache: true, look, add: () => buildManifestTool(name) };
}

/** A folder of files that others publish in Go modules. */
function modulePart(name: ModuleCollection): Part {
  const look = (): Promise<string | undefined> => readable(modulesFolder(name));
  const variable = `BIGO_${name.toUpperCase().replaceAll('-', '_')}`;
  const cost = 'a download of up to 25 MB';
  return { variable, cost, onlyCache: true, look, add: () => fetchModuleFiles(name) };
}

/** What runs containers: containerd with all that it and the node's other servers call. */
const containerd: Part = {
  ...debianPart(
    'BIGO_CONTAINERD',
    'containerd',
    'containerd',
    'runc',
    'containernetworking-plugins',
    'iptables',
    'conntrack',
    'iproute2',
  ),
  look: async () => {
    const helpers = ['ctr', 'runc', 'iptables', 'conntrack', 'ip', 'nsenter'].map(onPath);
    const all = [...(await Promise.all(helpers)), await usable('/usr/lib/cni/bridge')];
    return all.includes(undefined) ? undefined : onPath('containerd');
  },
};

export const parts: Readonly<Record<PartName, Part>> = {
  ollama: {
    variable: 'BIGO_OLLAMA',
    cost: 'built from source, 4 to 10 minutes on 2 cores',
    onlyCache: true,
    look: async () => {
      const found = await onPath('ollama');
      if (found !== undefined && reportsVersion(found)) return found;
      return usable(await builtOllama());
    },
    add: buildOllama,
  },
  smollm2: {
    variable: 'BIGO_SMOLLM2',
    cost: 'a download of 93 MB',
    onlyCache: true,
    look: () => readable(smollm2File()),
    add: fetchSmollm2,
  },
  llama: {
    variable: 'BIGO_LLAMA_PACKAGE',
    cost: 'the library of the embedded engine, 60 MB from npm',
    onlyCache: true,
    look: () => readable(llamaMark),
    add: async () => {
      const { installLlama } = await import('../../src/engine/llama-install.ts');
      await installLlama({ log: () => undefined });
      return readable(llamaMark);
    },
  },
  'redis-server': debianPart('BIGO_REDIS_SERVER', 'redis-server', 'redis-server'),
  nginx: debianPart('BIGO_NGINX', 'nginx', 'nginx-light'),
  wrk: debianPart('BIGO_WRK', 'wrk', 'wrk'),
  chromium: debianPart('BIGO_CHROMIUM', 'chromium', 'chromium'),
  etcd: kubePart('etcd'),
  'kube-apiserver': kubePart('kube-apiserver'),
  'kube-controller-manager': kubePart('kube-controller-manager'),
  'kube-scheduler': kubePart('kube-scheduler'),
  kubelet: kubePart('kubelet'),
  'kube-proxy': kubePart('kube-proxy'),
  coredns: kubePart('coredns'),
  kwok: kubePart('kwok'),
  'metrics-server': kubePart('metrics-server'),
  kubectl: kubeClientPart('kubectl'),
  helm: kubeClientPart('helm'),
  'kube-score': manifestPart('kube-score'),
  kubeconform: manifestPart('kubeconform'),
  checkov: {
    variable: 'BIGO_CHECKOV',
    cost: 'an environment of Python, 1 to 3 minutes and 300 MB',
    onlyCache: true,
    look: () => usable(installedCheckov()),
    add: installCheckov,
  },
  'foreign-kinds': modulePart('foreign-kinds'),
  'compose-schema': modulePart('compose-schema'),
  containerd,
  'other-processor': {
    variable: 'BIGO_OTHER_PROCESSOR',
    cost: 'Node and C libraries for the other processor, 55 MB from npm and Debian',
    onlyCache: true,
    look: () => readable(otherDebianMark()),
    add: fetchOther,
  },
};

/** The file of a part (a program, or the model), or undefined when this machine does not have it. */
export async function find(name: PartName): Promise<string | undefined> {
  const part = parts[name];
  const named = process.env[part.variable];
  if (named === undefined || named === '') return part.look();
  const file = await readable(named);
  if (file === undefined) throw new Error(`${part.variable} names ${named}, which cannot be read.`);
  return file;
}

export async function install(name: PartName): Promise<string> {
  const there = await find(name);
  if (there !== undefined) return there;
  const added = await parts[name].add();
  if (added === undefined) throw new Error(`${name} was installed but cannot be found.`);
  return added;
}

export function addCommand(names: readonly string[]): string {
  return `npm run tools -- ${names.join(' ')}`;
}

/** For `test(…, { skip: await skipUnless('ollama') }, …)`: the test runner knows this reason by its first word. */
export async function skipUnless(...names: readonly PartName[]): Promise<string | false> {
  const missing: PartName[] = [];
  for (const name of names) if ((await find(name)) === undefined) missing.push(name);
  return missing.length === 0 ? false : `needs ${missing.join(' and ')}: ${addCommand(missing)}`;
}

async function usable(file: string): Promise<string | undefined> {
  const runs = await access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
  return runs ? file : undefined;
}

async function readable(file: string): Promise<string | undefined> {
  const there = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
  return there ? file : undefined;
}

async function onPath(program: string): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/bin'];
  for (const folder of folders) {
    const file = await usable(path.join(folder, program));
    if (file !== undefined && folder !== '') return file;
  }
  return undefined;
}
