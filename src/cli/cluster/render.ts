// `bigo render`: what an OllamaDeployment becomes, or a profile of plain manifests, as YAML. Never speaks to a cluster.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { KubeObject } from '../../api/kube-object.ts';
import { resolve, type Resolved } from '../../api/ollama-deployment/resolve.ts';
import { KIND, type OllamaDeployment, resourceSchema } from '../../api/ollama-deployment/resource.ts';
import { TESTED_OLLAMA_TAG } from '../../api/operator-settings.ts';
import { desired } from '../../operator/core/desired/desired.ts';
import type { SecretTexts } from '../../operator/core/desired/input.ts';
import { completeSecret, secretNeeds } from '../../operator/core/desired/secrets.ts';
import { merged } from '../../profiles/core/merged.ts';
import {
  ADAPTER_VALUES,
  adapterValues,
  applied,
  defaultWish,
  KUSTOMIZATION,
  kustomization,
  profileOf,
} from '../../profiles/core/profiles.ts';
import { renderProfile } from '../../profiles/core/render.ts';
import {
  type Profile,
  PROFILE_NAMES,
  type ProfileWish,
  type RenderedFile,
} from '../../profiles/core/types.ts';
import type { App } from '../app.ts';
import { collect } from '../common-options.ts';
import { setValues, unknownField } from '../core/set-values.ts';
import { usageError } from '../exit.ts';
import { ownImage } from '../own-image.ts';
import { readDocuments } from './documents.ts';
import { secretMaker } from './fill-secrets.ts';
import { printYaml, yamlDocuments } from './yaml.ts';

interface RenderFlags {
  readonly set?: readonly string[];
  readonly out?: string;
  readonly image?: string;
}

export function define(command: Command, app: App): void {
  command
    .argument(
      '<what>',
      `a file with OllamaDeployments, - for stdin, or a profile: ${PROFILE_NAMES.join(', ')}`,
    )
    .option(
      '--set <field=value>',
      'set a field, e.g. ollama.replicas=2, namespace=ai, host=llm.example.com',
      collect,
    )
    .option('-o, --out <folder>', 'write files into this folder instead of printing')
    .option('--image <image>', 'image of ours (default: BIGO_IMAGE, else the one of this version)')
    .addHelpText('after', HELP)
    .action((what: string, flags: RenderFlags) => render(app, what, flags));
}

const HELP = `
Examples:
  $ bigo render homelab --set host=llm.example.com -o k8s/homelab
  $ bigo render production | kubectl apply -f -
  $ bigo render my-fleet.yaml --set ollama.replicas=2

A field is one of spec of the OllamaDeployment, or namespace, host; a value is read as YAML. Objects that need what a cluster
may lack lie in optional/ of the folder and are not printed. Secrets of a profile are filled in the cluster by a Job;
those of a file are made anew each time.`;

async function render(app: App, what: string, flags: RenderFlags): Promise<void> {
  const set = setValues(flags.set ?? [], text => parse(text) as unknown);
  if ('problem' in set) throw usageError(set.problem);
  const image = ownImage(flags.image, app.env);
  const profile = profileOf(what);
  if (profile !== undefined) {
    const files = checked(() => renderProfile(profile, wishOf(profile, image, set.fields)));
    return flags.out === undefined ? printProfile(app, files) : writeProfile(app, flags.out, files);
  }
  const objects = await fileObjects(app, what, { image, fields: set.fields });
  if (flags.out === undefined) return printYaml(app, objects);
  const named = objects.map(
    object => [`${object.kind.toLowerCase()}-${object.metadata.name}.yaml`, [object]] as const,
  );
  await writeFiles(app, flags.out, new Map(named));
}

function wishOf(profile: Profile, image: string, fields: Readonly<Record<string, unknown>>): ProfileWish {
  const { namespace, host, spec, ...rest } = fields;
  const usual = defaultWish(profile, image);
  const wish = {
    image,
    namespace: nameOf('namespace', namespace) ?? usual.namespace,
    host: nameOf('host', host) ?? usual.host,
    spec: merged((spec ?? {}) as Readonly<Record<string, unknown>>, rest),
  };
  if (rest['tabby'] !== undefined) {
    throw usageError(
      'a profile has no Tabby: its key cannot lie in a file',
      'Use an OllamaDeployment and `bigo install`.',
    );
  }
  refuseUnknown(merged(profile.spec(wish), wish.spec), wish.namespace);
  return wish;
}

function nameOf(field: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(value)) return value;
  throw usageError(`--set ${field}: ${JSON.stringify(value)} is no name`);
}

function refuseUnknown(spec: unknown, namespace: string): void {
  const { spec: parsed } = parsedResource({ metadata: { name: 'x', namespace }, spec });
  const unknown = unknownField(spec, parsed);
  if (unknown !== undefined) {
    throw usageError(
      `spec.${unknown} is no field of an OllamaDeployment`,
      'docs/ollamadeployment.md lists the fields.',
    );
  }
}

function parsedResource(given: Readonly<Record<string, unknown>>): OllamaDeployment {
  const result = resourceSchema.safeParse({ apiVersion: 'llm.geeper.io/v1alpha1', kind: KIND, ...given });
  if (result.success) return result.data;
  const problems = result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
  throw usageError(
    `this is no OllamaDeployment:\n  ${problems.join('\n  ')}`,
    'docs/ollamadeployment.md lists the fields.',
  );
}

/** A wish that contradicts the resource's rules is the person's to mend. */
function checked<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

async function fileObjects(
  app: App,
  file: string,
  { image, fields }: { image: string; fields: Readonly<Record<string, unknown>> },
): Promise<KubeObject[]> {
  const resources = (await readDocuments(app, file, PROFILES_HINT)).filter(
    document => document.kind === KIND,
  );
  if (resources.length === 0) {
    throw usageError(
      `${file} has no OllamaDeployment`,
      `The profiles are ${PROFILE_NAMES.join(', ')}; \`bigo migrate\` reads older kinds.`,
    );
  }
  return resources.flatMap(document => {
    const { spec: over, namespace, ...rest } = fields;
    const spec = merged(
      document['spec'] as Record<string, unknown>,
      merged((over ?? {}) as Record<string, unknown>, rest),
    );
    const metadata = namespace === undefined ? document.metadata : { ...document.metadata, namespace };
    const given = { ...document, metadata, spec };
    const resource = parsedResource(given);
    refuseUnknown(spec, resource.metadata.namespace);
    const resolved = resolve(resource, { ollamaTag: TESTED_OLLAMA_TAG });
    const made = desired({
      resolved,
      settings: { image, clusterDomain: 'cluster.local' },
      secrets: secretsOf(resolved),
      apis: new Set(OPTIONAL_APIS),
    });
    for (const note of made.notes) app.terminal.tell(`note: ${resource.metadata.name}: ${note.message}`);
    return made.objects;
  });
}

const PROFILES_HINT = `The profiles are ${PROFILE_NAMES.join(', ')}.`;
const OPTIONAL_APIS = [
  'monitoring.coreos.com/v1/ServiceMonitor',
  'monitoring.coreos.com/v1/PrometheusRule',
  'keda.sh/v1alpha1/ScaledObject',
];

function secretsOf(resolved: Resolved): SecretTexts {
  return Object.fromEntries(
    secretNeeds(resolved).map(need => [need.name, completeSecret(need, {}, secretMaker)]),
  );
}

async function printProfile(app: App, files: readonly RenderedFile[]): Promise<void> {
  const objects = applied(files).flatMap(file => file.objects);
  await printYaml(app, objects);
}

async function writeProfile(app: App, folder: string, files: readonly RenderedFile[]): Promise<void> {
  const all = new Map<string, readonly object[]>(files.map(file => [file.path, file.objects]));
  const adapter = adapterValues(files);
  if (adapter !== undefined) all.set(ADAPTER_VALUES, [adapter]);
  await writeFiles(app, folder, all.set(KUSTOMIZATION, [kustomization(files)]));
}

async function writeFiles(
  app: App,
  folder: string,
  files: ReadonlyMap<string, readonly object[]>,
): Promise<void> {
  for (const [path, objects] of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, yamlDocuments(objects));
    app.terminal.print(`wrote ${file}`);
  }
}
