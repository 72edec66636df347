// Builds the real Kubernetes servers, etcd, CoreDNS, kwok and metrics-server from their Go modules into one folder of the cache.
// Never touches the machine outside that folder and Go's own caches; needs a C compiler for the kubelet.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { goProgram } from './go.ts';

export const kubernetesVersion = '1.34.2';
const etcdVersion = '3.6.8';
const coreDnsVersion = '1.12.4';
const kwokVersion = '0.8.0';
const metricsServerVersion = '0.9.0';
const buildTimeoutMs = 40 * 60 * 1000;

/** Kubernetes publishes these as modules of their own; its go.mod points at folders that no module archive holds. */
const stagedModules =
  'api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap ' +
  'code-generator component-base component-helpers controller-manager cri-api cri-client csi-translation-lib ' +
  'dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager kube-proxy ' +
  'kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver sample-cli-plugin ' +
  'sample-controller';

/** A module of our own around a main package that `go install` refuses, because its go.mod replaces modules. */
interface Wrapper {
  readonly name: string;
  readonly goMod: string;
  readonly imports: readonly string[];
  readonly ldflags: string;
}

const kubernetesPrograms = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;

/** Without these the servers call themselves v0.0.0-master, and helm refuses to talk to them. */
function kubernetesLdflags(): string {
  const [major, minor] = kubernetesVersion.split('.');
  const values = { gitVersion: `v${kubernetesVersion}`, gitMajor: major, gitMinor: minor };
  const flags = ['component-base', 'client-go/pkg'].flatMap(holder =>
    Object.entries(values).map(([name, value]) => `-X k8s.io/${holder}/version.${name}=${value}`),
  );
  return ['-s', '-w', ...flags].join(' ');
}

/** Required and replaced: so they carry their real version in every stack trace and cache entry. */
function kubernetesGoMod(): string {
  const stagedVersion = `v0.${kubernetesVersion.slice(2)}`;
  const staged = stagedModules.split(' ').flatMap(name => {
    const module = `k8s.io/${name}`;
    return [`require ${module} ${stagedVersion}`, `replace ${module} => ${module} ${stagedVersion}`];
  });
  const head = ['module wrapper', 'go 1.24.0', `require k8s.io/kubernetes v${kubernetesVersion}`];
  return [...head, ...staged, ''].join('\n');
}

const kubernetesWrapper: Wrapper = {
  name: 'kubernetes',
  goMod: kubernetesGoMod(),
  imports: kubernetesPrograms.map(name => `k8s.io/kubernetes/cmd/${name}`),
  ldflags: kubernetesLdflags(),
};

const etcdWrapper: Wrapper = {
  name: 'etcd',
  goMod: `module wrapper\n\ngo 1.25.0\n\nrequire go.etcd.io/etcd/server/v3 v${etcdVersion}\n`,
  imports: ['go.etcd.io/etcd/server/v3'],
  ldflags: '-s -w',
};

export const kubePrograms = [...kubernetesPrograms, 'etcd', 'coredns', 'kwok', 'metrics-server'] as const;
export type KubeProgram = (typeof kubePrograms)[number];

interface Recipe {
  /** What the program must print on `--version`, to be taken when it was found on the machine. */
  readonly accepts: RegExp;
  readonly cost: string;
  readonly from: Wrapper | string;
  readonly package: string;
  readonly cgo: boolean;
  /** Added to those that make it small. */
  readonly ldflags?: string;
}

function ofKubernetes(name: (typeof kubernetesPrograms)[number], cost: string): Recipe {
  const accepts = /Kubernetes v1\.34\./;
  const cgo = name === 'kubelet';
  return { accepts, cost, cgo, from: kubernetesWrapper, package: `k8s.io/kubernetes/cmd/${name}` };
}

export const kubeRecipes: Readonly<Record<KubeProgram, Recipe>> = {
  'kube-apiserver': ofKubernetes('kube-apiserver', 'built from source, 4 minutes on 2 cores'),
  'kube-controller-manager': ofKubernetes('kube-controller-manager', 'built from source, 1 minute'),
  'kube-scheduler': ofKubernetes('kube-scheduler', 'built from source, 10 seconds after the API server'),
  kubelet: ofKubernetes('kubelet', 'built from source, 2 minutes'),
  'kube-proxy': ofKubernetes('kube-proxy', 'built from source, 1 minute'),
  etcd: {
    accepts: /etcd Version: 3\.6\./,
    cost: 'built from source, 20 seconds',
    from: etcdWrapper,
    package: 'go.etcd.io/etcd/server/v3',
    cgo: false,
  },
  coredns: {
    accepts: /CoreDNS-1\.1\d\./,
    cost: 'built from source, 2 minutes',
    from: 'github.com/coredns/coredns',
    package: `github.com/coredns/coredns@v${coreDnsVersion}`,
    cgo: false,
  },
  kwok: {
    accepts: /kwok version v0\.[78]\./,
    cost: 'built from source, 1 minute',
    from: 'sigs.k8s.io/kwok',
    package: `sigs.k8s.io/kwok/cmd/kwok@v${kwokVersion}`,
    cgo: false,
  },
  'metrics-server': {
    accepts: /^v0\.9\./,
    cost: 'built from source, 2 minutes',
    from: 'sigs.k8s.io/metrics-server',
    package: `sigs.k8s.io/metrics-server/cmd/metrics-server@v${metricsServerVersion}`,
    cgo: false,
    // Without it the program calls itself v0.0.0-master.
    ldflags: `-X k8s.io/client-go/pkg/version.gitVersion=v${metricsServerVersion}`,
  },
};

export function builtKube(name: KubeProgram): string {
  return path.join(toolsFolder(), `kube-${kubernetesVersion}`, name);
}

export function isKubeVersion(name: KubeProgram, binary: string): boolean {
  const run = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return kubeRecipes[name].accepts.test(`${run.stdout}${run.stderr}`);
}

export async function buildKube(name: KubeProgram): Promise<string> {
  const target = builtKube(name);
  await mkdir(path.dirname(target), { recursive: true });
  const work = await mkdtemp(path.join(toolsFolder(), 'build-kube-'));
  try {
    // One lock for all: two builds at once on two cores take longer than one after the other.
    await withLock('kube', () => buildInto(work, name, target));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

async function buildInto(work: string, name: KubeProgram, target: string): Promise<void> {
  if (isKubeVersion(name, target)) return;
  const { from, ldflags = '' } = kubeRecipes[name];
  if (typeof from === 'string')
    await go(work, name, ['install', '-trimpath', '-ldflags', `-s -w ${ldflags}`]);
  else await buildWrapped(work, name, from);
  const built = path.join(work, name);
  if (!isKubeVersion(name, built)) throw new Error(`The built ${name} does not say its version.`);
  await rename(built, target);
}

async function buildWrapped(work: string, name: KubeProgram, wrapper: Wrapper): Promise<void> {
  const blankImports = wrapper.imports.map(one => `import _ "${one}"\n`).join('');
  await writeFile(path.join(work, 'go.mod'), wrapper.goMod);
  await writeFile(path.join(work, 'wrapper.go'), `//go:build wrapper\n\npackage wrapper\n\n${blankImports}`);
  const output = ['-o', path.join(work, name)];
  await go(work, name, ['build', '-mod=mod', '-trimpath', '-ldflags', wrapper.ldflags, ...output]);
}

/** Gently: such a build must not make the person at this machine wait. */
async function go(work: string, name: KubeProgram, args: readonly string[]): Promise<void> {
  const recipe = kubeRecipes[name];
  const full = ['-n', '15', await goProgram(), ...args, recipe.package];
  await runLogged({
    program: 'nice',
    args: full,
    cwd: work,
    log: path.join(toolsFolder(), 'log', `${name}.log`),
    timeoutMs: buildTimeoutMs,
    env: { GOBIN: work, GOFLAGS: '-p=2', CGO_ENABLED: recipe.cgo ? '1' : '0' },
  });
}
