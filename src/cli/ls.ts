// `bigo ls`: the models of the fleet. Never changes one.
import type { Command } from 'commander';
import { humanBytes } from '../api/quantities.ts';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';
import { readModels } from './core/model-list.ts';
import { tableLines } from './core/table.ts';
import { agoText } from './core/when.ts';

export function define(command: Command, app: App): void {
  command.argument('[text]', 'only models whose name holds this text');
  addJsonOption(addClientOptions(command))
    .addHelpText('after', '\nExample:\n  $ bigo ls\n  $ bigo ls qwen --json')
    .action((text: string | undefined, flags: ClientFlags) =>
      withClient(app, flags, async client => {
        const body = await client.json({ path: '/api/tags' });
        if (flags.json === true && text === undefined) return app.terminal.print(JSON.stringify(body));
        const models = readModels(body).filter(model => model.name.includes(text?.toLowerCase() ?? ''));
        if (flags.json === true) return app.terminal.print(JSON.stringify({ models }));
        if (models.length === 0)
          app.terminal.tell('There is no such model here. Add one: bigo pull llama3.2:1b');
        const nowMs = Date.now();
        const rows = models.map(model => [
          model.name,
          model.digest.slice(0, 12),
          humanBytes(model.sizeBytes),
          agoText(model.modifiedAt, nowMs),
        ]);
        const { paint } = app.terminal;
        const lines = tableLines(rows, {
          head: ['NAME', 'ID', 'SIZE', 'MODIFIED'],
          right: [2],
          paint: paint,
        });
        for (const line of lines) app.terminal.print(line);
      }),
    );
}
