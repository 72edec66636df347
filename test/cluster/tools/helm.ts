// Helm as the tests of the chart call it, with folders of its own. Never reads a person's settings of Helm.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { find } from '../../tools/parts.ts';
import type { KubeObject } from './kube-client.ts';

const run = promisify(execFile);
const commandMsMax = 120_000;
const outputBytesMax = 16 * 1024 ** 2;
const program = await find('helm');

export const chart = path.join(import.meta.dirname, '..', '..', '..', 'deploy', 'chart');

export interface HelmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `folder` holds what Helm would keep in a home folder. */
export async function helm(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<HelmResult> {
  const own = { HOME: folder, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const options = {
    env: { PATH: process.env['PATH'] ?? '', ...own, ...env },
    timeout: commandMsMax,
    maxBuffer: outputBytesMax,
  };
  try {
    return { code: 0, ...(await run(program ?? 'helm', args, options)) };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as Partial<HelmResult>;
    return { code: code ?? 1, stdout, stderr: stderr === '' ? String(error) : stderr };
  }
}

/** Without the empty documents between templates. */
export function objectsOf(yaml: string): KubeObject[] {
  return parseAllDocuments(yaml)
    .map(document => document.toJS() as KubeObject | null)
    .filter(object => object !== null);
}
