// `bigo status`: the fleet, what waits, and why each request went where it went. Never changes anything.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClusterOptions, type ClusterFlags } from './cluster/access.ts';
import { clusterStatus } from './cluster/status.ts';
import { addJsonOption, type ClientFlags, withAdminClient } from './client-flags.ts';
import type { Client, JsonObject } from './client.ts';
import { readFleetView, readRequests } from './core/fleet-view.ts';
import { statusLines } from './core/status-text.ts';
import { CliError } from './exit.ts';

interface StatusFlags extends ClientFlags, ClusterFlags {
  readonly namespace?: string;
  readonly watch?: boolean;
}

export const FLEET_PATH = '/bigo/v1/fleet';

export function define(command: Command, app: App): void {
  addClusterOptions(addJsonOption(command))
    .option('-n, --namespace <name>', 'show the fleets of this namespace of a cluster')
    .option('--admin <url>', 'admin address of the gateway (default: BIGO_ADMIN, then the running gateway)')
    .option('--key <token>', 'admin token (default: BIGO_ADMIN_TOKEN)')
    .option('-w, --watch', 'go on and show every change')
    .addHelpText('after', HELP)
    .action((flags: StatusFlags) =>
      isForCluster(flags)
        ? clusterStatus(app, flags)
        : withAdminClient(app, flags, client =>
            flags.watch === true ? watch(app, client, flags) : once(app, client, flags),
          ),
    );
}

const isForCluster = ({ namespace, kubeconfig, context }: StatusFlags): boolean =>
  namespace !== undefined || kubeconfig !== undefined || context !== undefined;

const HELP = `
Examples:
  $ bigo status
  $ bigo status --watch
  $ bigo status -n ml
  $ bigo status --json | jq '.tickets[] | {model, reason}'

docs/routing.md explains the reasons.`;

const requestsShown = 10;
const REQUESTS_PATH = `/bigo/v1/requests?limit=${requestsShown}`;

async function once(app: App, client: Client, flags: StatusFlags): Promise<void> {
  const fleet = await client.json({ path: FLEET_PATH });
  const { requests } = await client.json({ path: REQUESTS_PATH });
  if (flags.json === true) return app.terminal.print(JSON.stringify({ ...fleet, requests }));
  for (const line of page(app, fleet, { requests })) app.terminal.print(line);
}

function page(app: App, fleet: JsonObject, requests: JsonObject): string[] {
  const read = { fleet: readFleetView(fleet), requests: readRequests(requests) };
  return statusLines(read, { paint: app.terminal.paint, nowMs: Date.now(), rowsMax: requestsShown });
}

/** On a terminal one page that is drawn anew; else one JSON line or one page for each change. */
async function watch(app: App, client: Client, flags: StatusFlags): Promise<void> {
  const { lines } = await client.lines({ path: FLEET_PATH, headers: { accept: 'text/event-stream' } });
  const { terminal } = app;
  for await (const line of lines) {
    if (!line.startsWith('data:')) continue;
    const text = line.slice(5).trim();
    if (flags.json === true) {
      terminal.print(text);
      continue;
    }
    const requests = await client.json({ path: REQUESTS_PATH });
    const pageText = page(app, JSON.parse(text) as JsonObject, requests).join('\n');
    await terminal.write(terminal.isTty ? `\u001b[H\u001b[J${pageText}\n` : `${pageText}\n\n`);
  }
  throw new CliError('the gateway ended the stream', { next: 'It may be restarting: try again.' });
}
