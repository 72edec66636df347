// `bigo gateway`: one address in front of backends that are named. Never starts an engine and never looks for one.
import type { Command } from 'commander';
import { onShutdown } from '../platform/signals.ts';
import type { App } from './app.ts';
import type { RunningGateway } from './components.ts';
import { usageError } from './exit.ts';
import { loadConfig } from './load-config.ts';
import { addServerOptions, flagsLayer, type ServerFlags } from './server-flags.ts';
import { endAtOnce, printReadyLine, serve, startLogging } from './serve.ts';

export function define(command: Command, app: App): void {
  addServerOptions(command)
    .addHelpText('after', HELP)
    .action(async (flags: ServerFlags) => {
      process.exitCode = await runGateway(app, flags);
    });
}

const HELP = `
Examples:
  $ bigo gateway --backend http://gpu-1:11434,slots=4 --backend http://gpu-2:11434,slots=4
  $ bigo gateway --listen 0.0.0.0:11434 --keys keys.json --config gateway.yaml

The first signal turns readiness off and lets streams finish (exit 0); a second one ends at once.
SIGHUP, or a change of a configuration file, loads the configuration again.`;

async function runGateway(app: App, flags: ServerFlags): Promise<number> {
  const load = () => loadConfig({ env: app.env, cwd: app.cwd, file: flags.config, flags: flagsLayer(flags) });
  const loaded = load();
  if (loaded.settings.backends.length === 0 && loaded.settings.kubernetes === undefined) {
    throw usageError(
      'no backend is named',
      'Add --backend http://HOST:11434, or `gateway.backends` to the configuration; `bigo up` starts a fleet by itself.',
    );
  }
  const logging = startLogging(app, flags);
  for (const note of loaded.notes) app.terminal.tell(`note: ${note}`);
  return serve({
    app,
    flags,
    loaded,
    load,
    logging,
    page: 'none',
    shutdown: onShutdown(endAtOnce(logging)),
    complete: settings => settings,
    stopRest: async () => {},
    killRest: () => {},
    prepare: async () => {},
    onReady: gateway => announce(app, flags, gateway),
  });
}

function announce(app: App, flags: ServerFlags, gateway: RunningGateway): void {
  if (flags.json === true || !app.terminal.isTty) return printReadyLine(app, gateway);
  app.terminal.print(`BigO serves at ${app.terminal.paint('bold', gateway.url)} (admin ${gateway.adminUrl})`);
  app.terminal.print('Ctrl-C lets streams finish; a second Ctrl-C ends at once.');
}
