// The configuration of this run: user file, project file, BIGO_* variables, flags, in this order. Never starts anything.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { CONFIG_KEYS } from '../api/config-keys.ts';
import type { Config } from '../api/config.ts';
import type { GatewaySettings } from '../api/settings.ts';
import {
  ConfigFileError,
  findProjectConfig,
  isFile,
  readConfigFile,
  userConfigPath,
} from '../platform/config-file.ts';
import { checkConfig, type Problem } from './core/check-config.ts';
import { type Environment, envLayer, unknownVariables } from './core/env-layer.ts';
import {
  isTree,
  type Layer,
  mergeLayers,
  type Merged,
  type Path,
  placeIn,
  type Tree,
} from './core/layers.ts';
import { configNotes, toSettings } from './core/to-settings.ts';
import { usageError } from './exit.ts';

export interface LoadOptions {
  readonly env: Environment;
  readonly cwd: string;
  /** `--config`: this file alone instead of the project's and the user's. */
  readonly file?: string | undefined;
  readonly flags?: Layer;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly settings: GatewaySettings;
  readonly merged: Merged;
  /** Files that were read, also the ones to watch. */
  readonly files: readonly string[];
  readonly notes: readonly string[];
}

function configFiles(options: LoadOptions): string[] {
  const given = options.file ?? options.env.BIGO_CONFIG ?? '';
  if (given !== '') return [resolve(options.cwd, given)];
  const project = findProjectConfig(options.cwd);
  const user = userConfigPath(options.env);
  return [isFile(user) ? user : undefined, project].filter(path => path !== undefined);
}

/** Throws a CliError that lists every problem with its file and line. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const files = configFiles(options);
  const typed = [envLayer(options.env, CONFIG_KEYS), ...(options.flags === undefined ? [] : [options.flags])];
  const resolved = [
    ...files.map(file => resolvePaths(fileLayer(file), baseOf(file))),
    ...typed.map(layer => resolvePaths(layer, options.cwd)),
  ];
  for (const layer of resolved) refuse(layerProblems(layer));
  const merged = mergeLayers(resolved);
  const checked = checkConfig(merged.value);
  if ('problems' in checked)
    throw refusal(checked.problems.map(problem => describe(problem, merged.originOf)));
  const notes = [...configNotes(checked.config), ...unknownVariables(options.env, CONFIG_KEYS)];
  const settings = toSettings(checked.config, readCas(checked.config));
  return { config: checked.config, settings, merged, files, notes };
}

function fileLayer(path: string): Layer {
  try {
    const file = readConfigFile(path);
    const shown = shortPath(path);
    const places = new Map([...file.lines].map(([key, line]) => [key, `${shown}:${line}`]));
    return { origin: shown, value: file.value, places };
  } catch (error) {
    if (error instanceof ConfigFileError)
      throw usageError(error.message, 'Correct the file, or start one with `bigo init`.');
    throw error;
  }
}

/** Each file is checked alone too: a value that a later layer covers is still wrong. */
function layerProblems(layer: Layer): string[] {
  const checked = checkConfig(mergeLayers([layer]).value);
  if (!('problems' in checked)) return [];
  // What this layer leaves out may stand in another one.
  const own = checked.problems.filter(problem => !problem.isMissing);
  return own.map(problem => describe(problem, path => placeIn(layer, path)));
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw refusal(problems);
}

function refusal(problems: readonly string[]) {
  const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
  return usageError(
    `the configuration has ${count}\n${problems.map(problem => `  ${problem}`).join('\n')}`,
    'docs/configuration.md lists every key; `bigo config check` checks again.',
  );
}

function describe(problem: Problem, originOf: (path: Path) => string): string {
  return `${originOf(problem.path)}: ${problem.message}`;
}

const PATH_KEYS = CONFIG_KEYS.filter(key => key.kind === 'path' && !key.path.includes('[]')).map(
  key => key.path,
);

/** `.bigo/config.yaml` belongs to the folder that holds `.bigo`. */
function baseOf(file: string): string {
  const folder = dirname(file);
  return basename(folder) === '.bigo' ? dirname(folder) : folder;
}

/** A path in a file is meant from that file's project, not from where the command was typed. */
function resolvePaths(layer: Layer, base: string): Layer {
  return { ...layer, value: resolveTree(layer.value, '', base) };
}

function resolveTree(tree: Tree, prefix: string, base: string): Tree {
  const entries = Object.entries(tree).map(([key, value]): [string, unknown] => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (isTree(value)) return [key, resolveTree(value, path, base)];
    if (path === 'gateway.backends' && Array.isArray(value))
      return [key, value.map(item => resolveCa(item, base))];
    return [key, PATH_KEYS.includes(path) && typeof value === 'string' ? absolute(value, base) : value];
  });
  return Object.fromEntries(entries);
}

function resolveCa(item: unknown, base: string): unknown {
  return isTree(item) && typeof item.ca_file === 'string'
    ? { ...item, ca_file: absolute(item.ca_file, base) }
    : item;
}

function absolute(path: string, base: string): string {
  if (path.startsWith('~/')) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}

function readCas(config: Config): Record<string, string> {
  const paths = config.gateway.backends.flatMap(item =>
    typeof item === 'string' || item.ca_file === undefined ? [] : [item.ca_file],
  );
  return Object.fromEntries(paths.map(path => [path, readCa(path)]));
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw usageError(
      `gateway.backends[].ca_file ${path} cannot be read`,
      'Correct the path, or take the key out.',
    );
  }
}

export function shortPath(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
