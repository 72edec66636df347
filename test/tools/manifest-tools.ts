// Programs that judge manifests, and the schemas that one of them reads: kube-score, kubeconform, checkov.
// Never asks the internet for a schema: they come from the API description inside the Kubernetes module.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kubernetesVersion } from './build-kube.ts';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { goProgram } from './go.ts';

const timeoutMs = 20 * 60 * 1000;
const lookMsMax = 60_000;
const downloadBytesMax = 1024 ** 2;
const checkovRequirement = 'checkov==3.3.30';

const goRecipes = {
  'kube-score': 'github.com/zegl/kube-score/cmd/kube-score@v1.20.0',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0',
} as const;
export type ManifestTool = keyof typeof goRecipes;

export function builtManifestTool(name: ManifestTool): string {
  return path.join(toolsFolder(), goRecipes[name].replace(/^.*\//, '').replace('@', '-'), name);
}

/** Lies beside kubeconform and is made with it; the version stands in its name. */
export function schemasFolder(): string {
  return path.join(path.dirname(builtManifestTool('kubeconform')), `schemas-${kubernetesVersion}`);
}

export async function buildManifestTool(name: ManifestTool): Promise<string> {
  await mkdir(toolsFolder(), { recursive: true });
  const work = await mkdtemp(path.join(toolsFolder(), `build-${name}-`));
  try {
    await withLock(name, async () => {
      if (name === 'kubeconform') await makeSchemas(work);
      const target = builtManifestTool(name);
      await mkdir(path.dirname(target), { recursive: true });
      await installGo(work, name);
      await rename(path.join(work, name), target);
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return builtManifestTool(name);
}

/** Gently: such a build must not make the person at this machine wait. */
async function installGo(work: string, name: ManifestTool): Promise<void> {
  await runLogged({
    program: 'nice',
    args: ['-n', '15', await goProgram(), 'install', '-trimpath', '-ldflags', '-s -w', goRecipes[name]],
    cwd: work,
    log: path.join(toolsFolder(), 'log', `${name}.log`),
    timeoutMs,
    env: { GOBIN: work, GOFLAGS: '-p=2', CGO_ENABLED: '0' },
  });
}

interface Definition {
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Definition>;
  items?: Definition;
  additionalProperties?: Definition | boolean;
  $ref?: string;
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
  }[];
}

async function makeSchemas(work: string): Promise<void> {
  const made = path.join(work, 'schemas');
  await mkdir(made);
  const file = path.join(await kubernetesModule(work), 'api', 'openapi-spec', 'swagger.json');
  const { definitions } = JSON.parse(await readFile(file, 'utf8')) as {
    definitions: Record<string, Definition>;
  };
  for (const [name, definition] of Object.entries(definitions)) {
    definitions[name] = name.endsWith('.Quantity') ? {} : strict(definition);
    for (const kind of definition['x-kubernetes-group-version-kind'] ?? []) {
      const schema = { $ref: `all.json#/definitions/${name}` };
      await writeFile(path.join(made, schemaFile(kind)), JSON.stringify(schema));
    }
  }
  await writeFile(path.join(made, 'all.json'), JSON.stringify({ definitions }));
  await rm(schemasFolder(), { recursive: true, force: true });
  await mkdir(path.dirname(schemasFolder()), { recursive: true });
  await rename(made, schemasFolder());
}

/** As kubeconform's template `{{.ResourceKind}}{{.KindSuffix}}.json` asks for it. */
function schemaFile({ group, version, kind }: { group: string; version: string; kind: string }): string {
  const [first = ''] = group.split('.');
  return `${[kind.toLowerCase(), first, version].filter(part => part !== '').join('-')}.json`;
}

/** A field that the API does not know is an error; where the API takes numbers and text, so does the schema. */
function strict(definition: Definition): Definition {
  const { description: _text, format, type, properties, items, additionalProperties, ...rest } = definition;
  const isBoth = format === 'int-or-string';
  const mapped =
    typeof additionalProperties === 'object' ? strict(additionalProperties) : additionalProperties;
  const closed = mapped ?? (properties === undefined ? undefined : false);
  return {
    ...rest,
    ...(type === undefined || isBoth ? {} : { type }),
    ...(items === undefined ? {} : { items: strict(items) }),
    ...(closed === undefined ? {} : { additionalProperties: closed }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, one]) => [name, strict(one)]),
          ),
        }),
  };
}

/** Where Go keeps the sources of the API server that the cluster tests build. */
async function kubernetesModule(work: string): Promise<string> {
  const args = ['mod', 'download', '-json', `k8s.io/kubernetes@v${kubernetesVersion}`];
  const options = { cwd: work, encoding: 'utf8', timeout: timeoutMs, maxBuffer: downloadBytesMax } as const;
  const run = spawnSync(await goProgram(), args, options);
  if (run.status !== 0) throw new Error(`Go could not fetch the Kubernetes module: ${run.stderr}`);
  return (JSON.parse(run.stdout) as { Dir: string }).Dir;
}

const checkovFolder = (): string => path.join(toolsFolder(), checkovRequirement.replace('==', '-'));

export function installedCheckov(): string {
  return path.join(checkovFolder(), 'bin', 'checkov');
}

/** In its final place at once: the programs of a Python environment hold the path of their folder. */
export async function installCheckov(): Promise<string> {
  await mkdir(toolsFolder(), { recursive: true });
  const log = path.join(toolsFolder(), 'log', 'checkov.log');
  const run = (program: string, args: readonly string[]): Promise<void> =>
    runLogged({ program, args, log, timeoutMs });
  await withLock('checkov', async () => {
    const works = spawnSync(installedCheckov(), ['--version'], { timeout: lookMsMax }).status === 0;
    if (works) return;
    await rm(checkovFolder(), { recursive: true, force: true });
    try {
      await run('python3', ['-m', 'venv', checkovFolder()]);
      await run(path.join(checkovFolder(), 'bin', 'pip'), ['install', '--quiet', checkovRequirement]);
    } catch (error) {
      await rm(checkovFolder(), { recursive: true, force: true });
      throw error;
    }
  });
  return installedCheckov();
}
