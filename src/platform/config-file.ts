// Finding and reading configuration files: YAML with the line of every key. Never judges what a key means.
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export interface ConfigFile {
  readonly path: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** `a.b[0].c` → its line, from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

export class ConfigFileError extends Error {
  override readonly name = 'ConfigFileError';
}

const bytesMax = 1024 * 1024;
const depthMax = 40;

/** `.bigo/config.yaml` here or in the nearest folder above. */
export function findProjectConfig(startDir: string): string | undefined {
  const home = resolve(homedir());
  for (let dir = resolve(startDir); ; dir = dirname(dir)) {
    const path = join(dir, '.bigo', 'config.yaml');
    if (isFile(path)) return path;
    if (dir === home || dirname(dir) === dir) return undefined;
  }
}

export function userConfigPath(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.XDG_CONFIG_HOME ?? '';
  return join(base === '' ? join(env.HOME ?? homedir(), '.config') : base, 'bigo', 'config.yaml');
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

export function readConfigFile(path: string): ConfigFile {
  return parseConfigText(path, readText(path));
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > bytesMax)
      throw new ConfigFileError(`${path}: larger than 1 MiB, so it is not a configuration file`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigFileError) throw error;
    throw new ConfigFileError(
      `${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
}

export function parseConfigText(path: string, text: string): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line } = lineCounter.linePos(broken.pos[0]);
    throw new ConfigFileError(`${path}:${line}: not valid YAML: ${broken.message}`);
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (value !== null && value !== undefined && (typeof value !== 'object' || Array.isArray(value))) {
    throw new ConfigFileError(`${path}:1: must hold keys such as \`gateway:\`, not one value or a list`);
  }
  const lines = new Map<string, number>();
  collectLines(document.contents, '', { lineCounter, lines, depth: 0 });
  return { path, value: (value ?? {}) as Record<string, unknown>, lines };
}

interface LineContext {
  readonly lineCounter: LineCounter;
  readonly lines: Map<string, number>;
  readonly depth: number;
}

function collectLines(node: unknown, path: string, context: LineContext): void {
  if (context.depth > depthMax) return;
  const deeper = { ...context, depth: context.depth + 1 };
  if (isMap(node)) {
    for (const pair of node.items) {
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const childPath = path === '' ? name : `${path}.${name}`;
      note(pair.key as Node | null, childPath, context);
      collectLines(pair.value, childPath, deeper);
    }
  }
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      note(item as Node | null, `${path}[${index}]`, context);
      collectLines(item, `${path}[${index}]`, deeper);
    }
  }
}

function note(node: Node | null, path: string, context: LineContext): void {
  const offset = node?.range?.[0];
  if (offset !== undefined) context.lines.set(path, context.lineCounter.linePos(offset).line);
}
