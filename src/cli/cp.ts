// `bigo cp`: a second name for a model, wherever it is. Never copies weights.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';

export function define(command: Command, app: App): void {
  command.argument('<source>', 'a model that is here').argument('<destination>', 'its further name');
  addJsonOption(addClientOptions(command))
    .addHelpText('after', '\nExample:\n  $ bigo cp llama3.2:1b my-model')
    .action((source: string, destination: string, flags: ClientFlags) =>
      withClient(app, flags, async client => {
        await client.json({ path: '/api/copy', body: { source, destination } });
        const text =
          flags.json === true
            ? JSON.stringify({ copied: source, to: destination })
            : `${destination} is ${source}`;
        app.terminal.print(text);
      }),
    );
}
