// `bigo stop`: unloads models from memory, on every backend that has them loaded. Never deletes one.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';

export function define(command: Command, app: App): void {
  command.argument('<model...>', 'one or more models');
  addJsonOption(addClientOptions(command))
    .addHelpText('after', '\nExample:\n  $ bigo stop llama3.2:1b')
    .action((models: string[], flags: ClientFlags) =>
      withClient(app, flags, async client => {
        for (const model of models) {
          await client.json({ path: '/api/generate', body: { model, keep_alive: 0, stream: false } });
          app.terminal.print(flags.json === true ? JSON.stringify({ stopped: model }) : `stopped ${model}`);
        }
      }),
    );
}
