// `bigo rm`: deletes models from every store that has them. Never asks twice: the name is typed whole.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';

export function define(command: Command, app: App): void {
  command.argument('<model...>', 'one or more models');
  addJsonOption(addClientOptions(command))
    .addHelpText('after', '\nExample:\n  $ bigo rm llama3.2:1b')
    .action((models: string[], flags: ClientFlags) =>
      withClient(app, flags, async client => {
        for (const model of models) {
          await client.json({ method: 'DELETE', path: '/api/delete', body: { model } });
          app.terminal.print(flags.json === true ? JSON.stringify({ deleted: model }) : `deleted ${model}`);
        }
      }),
    );
}
