// From a merged tree to a checked configuration, or to the list of what is wrong with it, each with its place. Never stops at the first.
import { defaultBackendName, parseBackendText } from '../../api/backend-spec.ts';
import { CONFIG_KEYS } from '../../api/config-keys.ts';
import { type Config, configSchema } from '../../api/config.ts';
import { nearNames } from '../../api/names.ts';
import type { Path, Tree } from './layers.ts';
import { pathText } from './layers.ts';

export interface Problem {
  readonly path: Path;
  /** A sentence that begins with the key. */
  readonly message: string;
  /** The value is not there at all. */
  readonly isMissing?: boolean;
}

export type Checked = { readonly config: Config } | { readonly problems: readonly Problem[] };

const problemsMax = 50;

export function checkConfig(tree: Tree): Checked {
  const result = configSchema.safeParse(tree);
  const problems = result.success
    ? crossProblems(result.data)
    : result.error.issues.flatMap(issue => explain(issue as Issue, [], tree));
  if (result.success && problems.length === 0) return { config: result.data };
  return { problems: problems.slice(0, problemsMax) };
}

interface Issue {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
  readonly issues?: readonly Issue[];
}

function explain(issue: Issue, prefix: Path, tree: Tree): Problem[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return (issue.keys ?? []).map(key => ({ path: [...path, key], message: unknownKey(path, key) }));
  }
  const value = valueAt(tree, path);
  if (issue.code === 'invalid_union' && typeof value === 'object') {
    return (issue.errors?.at(-1) ?? []).flatMap(inner => explain(inner, path, tree));
  }
  const message = `${pathText(path)} ${ruleOf(issue, value)}${written(path, value)}`;
  return [{ path, message, isMissing: value === undefined }];
}

function ruleOf(issue: Issue, value: unknown): string {
  if (issue.path.at(-2) === 'backends' && typeof value === 'string') {
    const parsed = parseBackendText(value);
    if ('problem' in parsed) return `is not a backend: ${parsed.problem}`;
  }
  const inner = issue.code === 'invalid_key' ? issue.issues?.[0]?.message : undefined;
  if (inner !== undefined) return `has a wrong name: it ${inner}`;
  const isOurs = /^(must|is|may) /.test(issue.message);
  if (value === undefined) return isOurs ? `is missing: it ${issue.message}` : 'is missing';
  if (isOurs) return issue.message;
  return issue.message.includes('expected object')
    ? 'must hold keys of its own'
    : `is not right: ${issue.message}`;
}

// A secret must not come back in an error message.
function written(path: Path, value: unknown): string {
  const key = keyPath(path);
  const isSecret = CONFIG_KEYS.some(known => known.kind === 'secret' && key.startsWith(known.path));
  if (value === undefined || isSecret) return '';
  const text = JSON.stringify(value);
  return `, not ${text.length > 60 ? `${text.slice(0, 57)}…` : text}`;
}

function unknownKey(path: Path, key: string): string {
  const place = keyPath(path);
  const inside = place === '' ? '' : `${place}.`;
  const siblings = CONFIG_KEYS.filter(known => known.path.startsWith(inside)).map(
    known => known.path.slice(inside.length).split(/[.[]/)[0] ?? '',
  );
  const near = nearNames(key, [...new Set(siblings)])[0];
  const elsewhere = CONFIG_KEYS.find(known => known.path.split('.').at(-1) === key)?.path;
  const suggestion = near ?? elsewhere;
  const all = [...new Set(siblings)].join(', ');
  const hint = suggestion === undefined ? `known here: ${all}` : `did you mean ${suggestion}?`;
  return `${pathText([...path, key])} is not a key: ${hint}`;
}

function keyPath(path: Path): string {
  return pathText(path).replaceAll(/\[\d+\]/g, '[]');
}

function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, part) => (node as Record<string | number, unknown> | undefined)?.[part],
    tree,
  );
}

/** What no single key can see. */
function crossProblems(config: Config): Problem[] {
  const { ollama } = config.workers;
  const busType: Path = ['bus', 'type'];
  return [
    ...(config.bus.type === 'redis'
      ? [{ path: busType, message: 'bus.type redis is not built yet: write memory, and run one gateway' }]
      : []),
    ...aliasProblems(config),
    ...repeated(ollama.clusters.map(cluster => cluster.name)).map(index => ({
      path: ['workers', 'ollama', 'clusters', index, 'name'],
      message: `workers.ollama.clusters[${index}].name is used twice: names must differ`,
    })),
    ...repeated(config.gateway.backends.map(backendNameOf)).map(index => ({
      path: ['gateway', 'backends', index],
      message: `gateway.backends[${index}] has the name of an earlier one: names must differ`,
    })),
  ];
}

function backendNameOf(backend: Config['gateway']['backends'][number]): string {
  if (typeof backend !== 'string') return backend.name ?? defaultBackendName(backend.url);
  const spec = parseBackendText(backend);
  return 'problem' in spec ? backend : spec.name;
}

function aliasProblems(config: Config): Problem[] {
  const { aliases } = config.gateway;
  const names = new Set([...Object.keys(aliases), ...Object.keys(config.workers.ollama.models)]);
  return Object.entries(aliases)
    .filter(([, model]) => names.has(model))
    .map(([alias, model]) => ({
      path: ['gateway', 'aliases', alias],
      message: `gateway.aliases.${alias} names ${model}, which is an alias itself: name the model`,
    }));
}

function repeated(names: readonly string[]): number[] {
  return names.flatMap((name, index) => (names.indexOf(name) < index ? [index] : []));
}
