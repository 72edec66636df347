// `bigo up`: finds or starts a fleet, sees to a model, and serves it at one address. Never takes a port that was not its own.
import type { Command } from 'commander';
import type { GatewaySettings } from '../api/settings.ts';
import { onShutdown } from '../platform/signals.ts';
import type { App } from './app.ts';
import type { RunningGateway } from './components.ts';
import { loadConfig } from './load-config.ts';
import { addServerOptions, flagsLayer, type ServerFlags } from './server-flags.ts';
import { curlExamples, endAtOnce, printReadyLine, serve, startLogging } from './serve.ts';
import { findFleet, type UpFleet } from './up-fleet.ts';
import { seeToModel } from './up-model.ts';

export function define(command: Command, app: App): void {
  addServerOptions(command)
    .option('--engines <n>', 'engines to start when no Ollama is found (default: 2)')
    .option('--model <name>', 'model to make sure of (default: a small one, when there is none)')
    .option('--no-open', 'for scripts; no browser is opened by itself')
    .addHelpText('after', HELP)
    .action(async (flags: ServerFlags) => {
      process.exitCode = await up(app, flags);
    });
}

const HELP = `
Examples:
  $ bigo up
  $ bigo up --engines 4 --model llama3.2:1b
  $ bigo up --backend http://gpu-1:11434,slots=4 --backend http://gpu-2:11434

Backends are looked for in this order: --backend or the configuration, OLLAMA_HOST, an Ollama on port 11434,
an \`ollama\` program on PATH (started for you), the embedded engine (started for you).
The first signal lets streams finish (exit 0); a second one ends at once.`;

async function up(app: App, flags: ServerFlags): Promise<number> {
  const load = () => loadConfig({ env: app.env, cwd: app.cwd, file: flags.config, flags: flagsLayer(flags) });
  const loaded = load();
  const logging = startLogging(app, flags);
  for (const note of loaded.notes) app.terminal.tell(`note: ${note}`);
  let model: string | undefined;
  const shutdown = onShutdown(endAtOnce(logging));
  const fleet = await findFleet(app, loaded, logging);
  const { backends } = fleet;
  const started = fleet.model;
  return serve({
    app,
    flags,
    loaded,
    load,
    logging,
    page: 'mounted',
    shutdown,
    complete: settings => withBackends(settings, backends),
    stopRest: () => fleet.stop(),
    killRest: () => fleet.kill(),
    prepare: async gateway => {
      model = started ?? (await seeToModel(app, gateway, loaded.config.engine.model));
    },
    onReady: gateway => announce(app, flags, { gateway, model }),
  });
}

/** What is configured wins, so that a reload may replace what was found; else it is what was found or started. */
function withBackends(settings: GatewaySettings, found: UpFleet['backends']): GatewaySettings {
  return settings.backends.length > 0 ? settings : { ...settings, backends: found };
}

function announce(
  app: App,
  flags: ServerFlags,
  { gateway, model }: { gateway: RunningGateway; model: string | undefined },
): void {
  if (flags.json === true || !app.terminal.isTty) printReadyLine(app, gateway);
  const say = (line: string) =>
    app.terminal.isTty && flags.json !== true ? app.terminal.print(line) : app.terminal.tell(line);
  say('');
  say(`BigO serves at ${app.terminal.paint('bold', gateway.url)}`);
  if (model === undefined) {
    say('There is no model yet. Add one: bigo pull llama3.2:1b');
  } else {
    say('Try it as an Ollama, OpenAI or Anthropic client:');
    for (const line of curlExamples(gateway.url, model)) say(`  ${line}`);
  }
  say(`Web page: ${app.terminal.paint('bold', `${gateway.url}/ui/`)}`);
  say('Backends, what waits, and why: bigo status');
  say('Ctrl-C lets streams finish; a second Ctrl-C ends at once.');
}
