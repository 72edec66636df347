// Flags that `up` and `gateway` share, and their meaning as a configuration layer. Never checks a value: the schema does.
import type { Command } from 'commander';
import { collect, logLevelOption } from './common-options.ts';
import { setPath } from './core/env-layer.ts';
import type { Layer } from './core/layers.ts';

export interface ServerFlags {
  readonly backend?: readonly string[];
  readonly listen?: string;
  readonly admin?: string;
  readonly config?: string;
  readonly keys?: string;
  readonly insecure?: boolean;
  readonly drainTimeoutMs?: string;
  readonly queueSize?: string;
  readonly engines?: string;
  readonly model?: string;
  readonly json?: boolean;
  readonly logLevel?: string;
  readonly open?: boolean;
}

export function addServerOptions(command: Command): Command {
  return command
    .option(
      '--backend <backend>',
      'an Ollama server: URL[,name=N][,slots=S][,store=ID][,class=C]; may be repeated',
      collect,
    )
    .option('--listen <host:port>', 'address that clients call (port 0 = any free one)')
    .option('--admin <host:port>', 'address of /readyz, /metrics and `bigo status`')
    .option('--config <file>', 'read this configuration file and no other')
    .option('--keys <file>', 'file of API keys; with it every request needs one')
    .option('--insecure', 'serve other addresses than loopback without keys')
    .option('--queue-size <n>', 'requests that may wait')
    .option('--drain-timeout-ms <n>', 'how long streams may go on after the first signal')
    .option('--json', 'print one JSON line when ready, as without a terminal')
    .addOption(logLevelOption());
}

interface Setting {
  readonly flag: string;
  readonly path: string;
  readonly value: unknown;
}

export function flagsLayer(flags: ServerFlags): Layer {
  const root: Record<string, unknown> = {};
  const places = new Map<string, string>();
  for (const { flag, path, value } of settingsOf(flags)) {
    if (value === undefined) continue;
    setPath(root, path.split('.'), value);
    places.set(path, flag);
  }
  return { origin: 'command line', value: root, places };
}

function settingsOf(flags: ServerFlags): Setting[] {
  return [
    { flag: '--backend', path: 'gateway.backends', value: flags.backend },
    { flag: '--listen', path: 'gateway.listen', value: flags.listen },
    { flag: '--admin', path: 'gateway.admin', value: flags.admin },
    { flag: '--keys', path: 'gateway.keys_file', value: flags.keys },
    { flag: '--insecure', path: 'gateway.insecure', value: flags.insecure },
    { flag: '--queue-size', path: 'bus.queue_size', value: numberOrText(flags.queueSize) },
    { flag: '--drain-timeout-ms', path: 'gateway.time.drain_max', value: milliseconds(flags.drainTimeoutMs) },
    { flag: '--engines', path: 'engine.count', value: numberOrText(flags.engines) },
    { flag: '--model', path: 'engine.model', value: flags.model },
  ];
}

// What is not a number goes on as text, so that the schema's own sentence refuses it.
function numberOrText(text: string | undefined): number | string | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

function milliseconds(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text) ? `${text}ms` : text;
}
