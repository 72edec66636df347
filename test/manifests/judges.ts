// What kube-score, kubeconform and checkov say about manifests, as findings of one shape. Never decides whether a finding is all right.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { find } from '../tools/parts.ts';
import { schemasFolder } from '../tools/manifest-tools.ts';
import type { ManifestSet } from './sets.ts';

const run = promisify(execFile);
const commandMsMax = 200_000;
const outputBytesMax = 64 * 1024 ** 2;
const GRADE_ALL_OK = 10;

export interface Finding {
  readonly tool: 'kube-score' | 'kubeconform' | 'checkov';
  readonly check: string;
  /** `set Kind/name`, and `:container` where it is about one. */
  readonly where: string;
  readonly text: string;
}

/** They end with 1 when they find something; what they print says what. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const options = { timeout: commandMsMax, maxBuffer: outputBytesMax };
  try {
    return (await run(program, args, options)).stdout;
  } catch (error) {
    const { stdout = '', stderr = '', code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (code === 1 && stdout !== '') return stdout;
    throw new Error(`${program} did not judge: ${stderr === '' ? String(error) : stderr}`, { cause: error });
  }
}

interface Scored {
  readonly type_meta: { readonly kind: string };
  readonly object_meta: { readonly name: string };
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly path: string; readonly summary: string }[] | null;
  }[];
}

/** Set by set: a check may ask whether another object, such as a NetworkPolicy, is there too. */
export async function kubeScore({ name, file }: ManifestSet): Promise<Finding[]> {
  const args = ['score', '--kubernetes-version', 'v1.34', '--output-format', 'json', file];
  const scored = JSON.parse(await output(await program('kube-score'), args)) as readonly Scored[];
  return scored.flatMap(({ type_meta: { kind }, object_meta, checks }) =>
    checks
      .filter(one => !one.skipped && one.grade < GRADE_ALL_OK)
      .flatMap(({ check, comments }) => {
        const said = comments ?? [];
        return (said.length > 0 ? said : [{ path: '', summary: 'no comment' }]).map(comment => ({
          tool: 'kube-score' as const,
          check: check.id,
          where: `${name} ${kind}/${object_meta.name}${comment.path === '' ? '' : `:${comment.path}`}`,
          text: comment.summary,
        }));
      }),
  );
}

interface Conformed {
  readonly summary: { readonly valid: number };
  readonly resources: readonly {
    readonly filename: string;
    readonly kind: string;
    readonly name: string;
    readonly status: string;
    readonly msg: string;
  }[];
}

export interface Conformity {
  readonly validCount: number;
  readonly findings: readonly Finding[];
}

export async function kubeconform(sets: readonly ManifestSet[]): Promise<Conformity> {
  const schemas = `${schemasFolder()}/{{.ResourceKind}}{{.KindSuffix}}.json`;
  const files = sets.map(set => set.file);
  const args = ['-strict', '-summary', '-output', 'json', '-schema-location', schemas, ...files];
  const { summary, resources } = JSON.parse(await output(await program('kubeconform'), args)) as Conformed;
  const findings = resources.map(({ filename, kind, name, status, msg }) => {
    const set = sets.find(one => one.file === filename)?.name ?? filename;
    return { tool: 'kubeconform' as const, check: status, where: `${set} ${kind}/${name}`, text: msg };
  });
  return { validCount: summary.valid, findings };
}

interface Checked {
  readonly summary: { readonly passed: number };
  readonly results: {
    readonly failed_checks: readonly {
      readonly check_id: string;
      readonly check_name: string;
      readonly file_path: string;
      readonly resource: string;
    }[];
  };
}

/** All sets in one run, because it takes seconds to start. `Kind.namespace.name`, and a pod's labels behind that. */
export async function checkov(folder: string): Promise<Finding[]> {
  const flags = ['--framework', 'kubernetes', '--output', 'json', '--compact', '--quiet', '--skip-download'];
  const text = await output(await program('checkov'), ['--directory', folder, ...flags]);
  const { summary, results } = JSON.parse(text) as Checked;
  if (summary.passed === 0) throw new Error('checkov checked nothing.');
  return results.failed_checks.map(({ check_id, check_name, file_path, resource }) => {
    const [kind = '', , name = ''] = resource.split('.');
    const set = path.basename(file_path, '.yaml');
    return { tool: 'checkov' as const, check: check_id, where: `${set} ${kind}/${name}`, text: check_name };
  });
}

async function program(name: Finding['tool']): Promise<string> {
  const file = await find(name);
  if (file === undefined) throw new Error(`${name} is not on this machine.`);
  return file;
}
