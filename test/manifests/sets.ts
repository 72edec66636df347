// Every manifest that BigO hands to people, in sets as they are applied together. Never writes into the repository.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { chart, helm } from '../cluster/tools/helm.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const golden = path.join(root, 'test/golden/operator');
const commandMsMax = 60_000;
const outputBytesMax = 16 * 1024 ** 2;

/** What the operator writes about its decisions; not a manifest. */
const NOTES = 'notes.yaml';
const GOLDEN = 'resource-';
const API_VERSIONS = ['ServiceMonitor', 'PrometheusRule'].map(kind => `monitoring.coreos.com/v1/${kind}`);

/** All parts of the chart on, so that every template is judged. */
const CHART_VALUES = {
  gateway: { enabled: true, ingress: { enabled: true, host: 'a.example.com', tls: { enabled: true } } },
  manager: { enabled: true, ingress: { enabled: true, host: 'm.example.com', tls: { enabled: true } } },
  monitoring: { serviceMonitor: { enabled: true }, alerts: { enabled: true }, dashboards: { enabled: true } },
};

export interface ManifestSet {
  readonly name: string;
  readonly objects: readonly KubeObject[];
  /** All objects in one file of this folder. */
  readonly file: string;
}

/** `work` is an empty folder; each set gets a file in it. */
export async function manifestSets(work: string): Promise<ManifestSet[]> {
  const texts = new Map([
    ...(await profileTexts()),
    ...(await goldenTexts()),
    ['install', await printed(['install', '--print'])] as const,
    ['chart', await chartText(work)] as const,
  ]);
  const folder = path.join(work, 'sets');
  await mkdir(folder);
  return Promise.all(
    [...texts].map(async ([name, text]) => {
      const objects = onceEach(text, name.startsWith(GOLDEN) ? '1.2' : '1.1');
      const file = path.join(folder, `${name}.yaml`);
      await writeFile(file, objects.map(one => JSON.stringify(one)).join('\n---\n'));
      return { name, objects, file };
    }),
  );
}

/**
 * kubectl and Helm read YAML 1.1, where a bare `off` is no text. The golden files are for our own eyes.
 * A profile's namespace stands in two of its files, for applying one of them alone.
 */
function onceEach(text: string, version: '1.1' | '1.2'): KubeObject[] {
  const objects = parseAllDocuments(text, { version })
    .map(document => document.toJS() as KubeObject | null)
    .filter(object => object !== null);
  const byName = new Map(objects.map(one => [`${one.apiVersion} ${one.kind} ${one.metadata.name}`, one]));
  return [...byName.values()];
}

async function profileTexts(): Promise<[string, string][]> {
  const folder = path.join(root, 'k8s');
  const profiles = (await readdir(folder, { withFileTypes: true })).filter(entry => entry.isDirectory());
  return Promise.all(
    profiles.map(async ({ name }): Promise<[string, string]> => {
      const files = await readdir(path.join(folder, name), { recursive: true });
      return [`profile-${name}`, await joined(path.join(folder, name), files)];
    }),
  );
}

async function goldenTexts(): Promise<[string, string][]> {
  const cases = await readdir(golden);
  return Promise.all(
    cases.map(async (name): Promise<[string, string]> => {
      const out = path.join(golden, name, 'out');
      return [`${GOLDEN}${name}`, await joined(out, await readdir(out))];
    }),
  );
}

async function joined(folder: string, files: readonly string[]): Promise<string> {
  const manifests = files.filter(file => file.endsWith('.yaml') && file !== NOTES).toSorted();
  const texts = manifests.map(file => readFile(path.join(folder, file), 'utf8'));
  return (await Promise.all(texts)).join('\n---\n');
}

async function printed(args: readonly string[]): Promise<string> {
  const options = { timeout: commandMsMax, maxBuffer: outputBytesMax };
  return (await run(path.join(root, 'bin/bigo'), args, options)).stdout;
}

async function chartText(work: string): Promise<string> {
  const values = path.join(work, 'values.json');
  await writeFile(values, JSON.stringify(CHART_VALUES));
  const flags = [
    '--namespace',
    'llm-operator-system',
    '--api-versions',
    API_VERSIONS.join(','),
    '--values',
    values,
  ];
  const { code, stdout, stderr } = await helm(work, ['template', 'bigo', chart, ...flags]);
  if (code !== 0) throw new Error(`The chart cannot be rendered: ${stderr}`);
  return stdout;
}
