// Flags of commands that speak to a running gateway, and the client made from them. Never speaks by itself.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { Client } from './client.ts';
import { adminTarget, gatewayTarget, type TargetFlags } from './target.ts';

export interface ClientFlags extends TargetFlags {
  readonly json?: boolean;
}

export function addClientOptions(command: Command): Command {
  return command
    .option(
      '--url <url>',
      'address of the gateway, or of any Ollama (default: BIGO_URL, then the running gateway)',
    )
    .option('--key <key>', 'API key (default: BIGO_KEY)');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'print JSON for a program');
}

/** Gives the action a client and closes it afterwards, whatever happens. */
export async function withClient(
  app: App,
  flags: ClientFlags,
  action: (client: Client) => Promise<void>,
): Promise<void> {
  await closingAfter(new Client(app, gatewayTarget(flags, app.env)), action);
}

export async function withAdminClient(
  app: App,
  flags: ClientFlags,
  action: (client: Client) => Promise<void>,
): Promise<void> {
  await closingAfter(new Client(app, adminTarget(flags, app.env)), action);
}

async function closingAfter(client: Client, action: (client: Client) => Promise<void>): Promise<void> {
  try {
    await action(client);
  } finally {
    await client.close();
  }
}
