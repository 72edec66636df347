// `bigo version`: which BigO, built from what, running on what. Never starts git.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { App } from './app.ts';
import type { Environment } from './core/env-layer.ts';

export interface VersionInfo {
  readonly version: string;
  readonly commit: string;
  readonly node: string;
  readonly platform: string;
}

export function define(command: Command, app: App): void {
  command
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  $ bigo version --json')
    .action(async options => {
      const info = versionInfo(app.env);
      const spoken = await spokenVersions();
      if (options.json === true) return app.terminal.print(JSON.stringify({ ...info, ...spoken }));
      app.terminal.print(`bigo ${info.version} (commit ${info.commit}, Node ${info.node}, ${info.platform})`);
      app.terminal.print(
        `resource ${spoken.resource}, admin API ${spoken.adminApi}, tested with Ollama ${spoken.ollama}`,
      );
    });
}

interface SpokenVersions {
  /** Of the custom resource that the operator reads. */
  readonly resource: string;
  /** Where all paths of the gateways' own API begin. */
  readonly adminApi: string;
  /** What a resource without a tag of its own gets. */
  readonly ollama: string;
}

/** Loaded when asked for: the resource's schema would slow every other command down. */
async function spokenVersions(): Promise<SpokenVersions> {
  const [{ API_VERSION }, { TESTED_OLLAMA_TAG }] = await Promise.all([
    import('../api/ollama-deployment/resource.ts'),
    import('../api/operator-settings.ts'),
  ]);
  return { resource: API_VERSION, adminApi: '/bigo/v1', ollama: TESTED_OLLAMA_TAG };
}

export function versionInfo(env: Environment): VersionInfo {
  const root = packageRoot();
  return {
    // The bundle is told its version and commit when it is built; a clone has them in package.json and .git.
    version: env.BIGO_VERSION ?? (root === undefined ? undefined : readPackage(root)?.version) ?? 'unknown',
    commit: env.BIGO_COMMIT ?? (root === undefined ? undefined : headCommit(join(root, '.git'))) ?? 'unknown',
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** The folder with our package.json: above src/cli/ in a clone, above dist/ in a build. */
export function packageRoot(): string | undefined {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 4; up++) {
    if (readPackage(dir)?.name === 'bigo') return dir;
    dir = dirname(dir);
  }
  return undefined;
}

function readPackage(dir: string): { name?: string; version?: string } | undefined {
  const text = readText(join(dir, 'package.json'));
  return text === undefined ? undefined : (JSON.parse(text) as { name?: string; version?: string });
}

function headCommit(gitDir: string): string | undefined {
  const head = readText(join(gitDir, 'HEAD'))?.trim();
  if (head === undefined || !head.startsWith('ref: ')) return head?.slice(0, 12);
  const ref = head.slice(5);
  const packed = readText(join(gitDir, 'packed-refs'))
    ?.split('\n')
    .find(line => line.endsWith(` ${ref}`));
  return (readText(join(gitDir, ref)) ?? packed)?.trim().slice(0, 12);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
