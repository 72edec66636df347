// Files out of other projects' Go modules: definitions of foreign kinds, the schema of Compose files.
// Never takes what differs from the sums written here, whoever the proxy is and whatever it says of them.
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { goProgram } from './go.ts';

const downloadMsMax = 10 * 60 * 1000;
const outputBytesMax = 1024 ** 2;

interface ModuleFiles {
  readonly module: string;
  readonly version: string;
  /** Of the files, and of the module's own go.mod, as go.sum has them. */
  readonly sum: string;
  readonly modSum: string;
  readonly folder: string;
  readonly files: readonly string[];
}

const kindModules: readonly ModuleFiles[] = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.86.1',
    sum: 'h1:pHUuiRErcFb3nFDox7RxoxpEN0FyT24GtYOkr2GBu04=',
    modSum: 'h1:uNwW4SQz9lgeWV6CeERONLEsuN7Avd8vn19C8eHwiWg=',
    folder: 'example/prometheus-operator-crd',
    files: ['monitoring.coreos.com_servicemonitors.yaml', 'monitoring.coreos.com_prometheusrules.yaml'],
  },
  {
    module: 'github.com/kedacore/keda/v2',
    version: 'v2.18.1',
    sum: 'h1:h6bRt/IOxxtZpJlHSqhdH/lcInH7Z9obxg/JvWOmGAw=',
    modSum: 'h1:gCYj1eF0aIy4aSlGgImeydgueBP2ThZMS1wkbRLfiW4=',
    folder: 'config/crd/bases',
    files: ['keda.sh_scaledobjects.yaml'],
  },
  {
    module: 'github.com/cert-manager/cert-manager',
    version: 'v1.19.1',
    sum: 'h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=',
    modSum: 'h1:8Ps1VXCQRGKT8zNvLQlhDK1gFKWmYKdIPQFmvTS2JeA=',
    folder: 'deploy/crds',
    files: ['cert-manager.io_certificates.yaml'],
  },
  {
    module: 'github.com/traefik/traefik/v3',
    version: 'v3.5.3',
    sum: 'h1:LxzoigGBOEx11CRDFYDFj/GfmnJsnxAl8bDkjqmsS2o=',
    modSum: 'h1:bK/+7TKiKYJyFfzpo54RpaV1Zsiav9g9QkRODp9re14=',
    folder: 'docs/content/reference/dynamic-configuration',
    files: ['kubernetes-crd-definition-v1.yml'],
  },
];

const composeModules: readonly ModuleFiles[] = [
  {
    module: 'github.com/compose-spec/compose-go/v2',
    version: 'v2.9.0',
    sum: 'h1:UHSv/QHlo6QJtrT4igF1rdORgIUhDo1gWuyJUoiNNIM=',
    modSum: 'h1:Oky9AZGTRB4E+0VbTPZTUu4Kp+oEMMuwZXZtPPVT1iE=',
    folder: 'schema',
    files: ['compose-spec.json'],
  },
];

const collections = { 'foreign-kinds': kindModules, 'compose-schema': composeModules } as const;
export type ModuleCollection = keyof typeof collections;

/** The versions stand in its name, so that other ones are fetched anew. */
export function modulesFolder(name: ModuleCollection): string {
  const versions = collections[name].map(({ version }) => version).join('-');
  return path.join(toolsFolder(), `${name}-${versions}`);
}

/** All of a collection's files, side by side in one folder that is there whole or not at all. */
export async function fetchModuleFiles(name: ModuleCollection): Promise<string> {
  await mkdir(toolsFolder(), { recursive: true });
  const target = modulesFolder(name);
  const work = await mkdtemp(path.join(toolsFolder(), `${name}-`));
  try {
    await withLock(name, async () => {
      const made = path.join(work, 'files');
      await mkdir(made);
      for (const one of collections[name]) await copyFrom(await moduleFolder(work, one), one, made);
      await rm(target, { recursive: true, force: true });
      await rename(made, target);
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

async function copyFrom(module: string, { folder, files }: ModuleFiles, target: string): Promise<void> {
  for (const file of files) await copyFile(path.join(module, folder, file), path.join(target, file));
}

/** Go compares what it downloads with the go.sum of the module in which it is called. */
async function moduleFolder(
  work: string,
  { module, version, sum, modSum }: Pick<ModuleFiles, 'module' | 'version' | 'sum' | 'modSum'>,
): Promise<string> {
  await writeFile(path.join(work, 'go.mod'), 'module files\n\ngo 1.24.0\n');
  const sums = [`${module} ${version} ${sum}`, `${module} ${version}/go.mod ${modSum}`, ''];
  await writeFile(path.join(work, 'go.sum'), sums.join('\n'));
  const options = { cwd: work, encoding: 'utf8', timeout: downloadMsMax, maxBuffer: outputBytesMax } as const;
  const run = spawnSync(await goProgram(), ['mod', 'download', '-json', `${module}@${version}`], options);
  if (run.status !== 0)
    throw new Error(`Go could not fetch ${module}@${version}: ${run.stderr}${run.stdout}`);
  return (JSON.parse(run.stdout) as { Dir: string }).Dir;
}
