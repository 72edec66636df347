// `bigo agent`: beside each Ollama in a cluster; pulls, checks and repairs models, and lets the pod end without cutting anybody.
// Never serves inference. People rarely start it: pods do.
import { Option, type Command } from 'commander';
import { AGENT_PORT, type AgentSettings } from '../api/agent-settings.ts';
import { parseBackendUrl } from '../api/backend-spec.ts';
import { parseSizeBytes } from '../api/quantities.ts';
import { createLog } from '../platform/log.ts';
import { onShutdown } from '../platform/signals.ts';
import type { App } from './app.ts';
import { collect, logLevelOption } from './common-options.ts';
import { EXIT, usageError } from './exit.ts';

interface AgentFlags {
  readonly models: string;
  readonly store?: string;
  readonly ollama: string;
  readonly listen: string;
  readonly pod?: string;
  readonly role: 'writer' | 'reader';
  readonly insecureRegistry?: readonly string[];
  readonly reserve: string;
  readonly gatewayTokenFile?: string;
  readonly drainSeconds?: string;
  readonly logLevel?: string;
}

export function define(command: Command, app: App): void {
  command
    .option('--models <file>', 'the mounted file of models', '/etc/bigo/models/models.yaml')
    .option('--store <folder>', 'the models folder; default: OLLAMA_MODELS')
    .option('--ollama <url>', 'the Ollama of this pod', 'http://127.0.0.1:11434')
    .option('--listen <host:port>', 'address of the agent', `:${AGENT_PORT}`)
    .option('--pod <name>', 'name of this pod; default: POD_NAME, then HOSTNAME')
    .addOption(
      new Option('--role <role>', 'reader: another pod fills the shared models folder')
        .choices(['writer', 'reader'])
        .default('writer'),
    )
    .option('--insecure-registry <host>', 'a registry without TLS, HOST[:PORT]; may be repeated', collect)
    .option('--reserve <size>', 'room on the volume that pulls leave free', '256MiB')
    .option('--gateway-token-file <file>', "token of the gateways' admin port")
    .option('--drain-seconds <n>', 'in the place of what the file of models says')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (flags: AgentFlags) => {
      process.exitCode = await runAgent(app, flags);
    });
}

const HELP = `
Example:
  $ bigo agent --models ./models.yaml --store ~/.ollama/models --pod chat-ollama-0

/readyz is 200 once every assigned model is there or has failed for good; /drain waits until nothing runs on this pod;
/status says what is where, as JSON; /verify?model=NAME (POST) has a model's files hashed first; /metrics, /livez.`;

async function runAgent(app: App, flags: AgentFlags): Promise<number> {
  const settings = toSettings(app, flags);
  const { log, flush } = createLog({ level: flags.logLevel ?? 'info' });
  const ended = Promise.withResolvers<number>();
  // The pod may still wait in /drain when the signal comes: that wait is finished first.
  const shutdown = onShutdown({ begin: () => process.exit(EXIT.ok), atOnce: flush });
  const agent = await app.components.startAgent({ settings, log });
  shutdown.replace({
    atOnce: flush,
    begin: signal => {
      log.info({ signal }, 'the agent ends');
      void agent.close().then(
        () => ended.resolve(EXIT.ok),
        () => ended.resolve(EXIT.failed),
      );
    },
  });
  app.terminal.print(JSON.stringify({ event: 'ready', url: agent.url }));
  const code = await ended.promise;
  flush();
  return code;
}

function toSettings(app: App, flags: AgentFlags): AgentSettings {
  const store = flags.store ?? app.env.OLLAMA_MODELS;
  if (store === undefined || store === '')
    throw usageError('the models folder is not named', 'Add --store FOLDER, or set OLLAMA_MODELS.');
  const ollama = parseBackendUrl(flags.ollama);
  if ('problem' in ollama) throw usageError(`--ollama ${ollama.problem}`);
  return {
    listen: hostPort(flags.listen),
    ollamaUrl: ollama.url,
    modelsFile: flags.models,
    store,
    podName: flags.pod ?? app.env.POD_NAME ?? app.env.HOSTNAME ?? 'pod',
    role: flags.role,
    insecureRegistries: flags.insecureRegistry ?? [],
    reserveBytes: sizeOf(flags.reserve),
    ...(flags.gatewayTokenFile === undefined ? {} : { gatewayTokenFile: flags.gatewayTokenFile }),
    ...(flags.drainSeconds === undefined ? {} : { drainSeconds: secondsOf(flags.drainSeconds) }),
  };
}

function hostPort(text: string): AgentSettings['listen'] {
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):(\d{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535)
    throw usageError(`--listen ${text} is not HOST:PORT`, `Write --listen :${AGENT_PORT}, for example.`);
  return { host: host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function sizeOf(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes === undefined)
    throw usageError(`--reserve ${text} is not a size`, 'Write --reserve 256MiB, for example.');
  return bytes;
}

function secondsOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw usageError(`--drain-seconds ${text} is not a whole number of seconds`);
  return Number(text);
}
