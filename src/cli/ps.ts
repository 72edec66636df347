// `bigo ps`: the models that are loaded, as /api/ps merges them. Never loads or unloads one.
import type { Command } from 'commander';
import { humanBytes } from '../api/quantities.ts';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';
import type { JsonObject } from './client.ts';
import { textOf } from './core/model-list.ts';
import { tableLines } from './core/table.ts';
import { untilText } from './core/when.ts';

export function define(command: Command, app: App): void {
  addJsonOption(addClientOptions(command))
    .addHelpText('after', '\nExample:\n  $ bigo ps\n\n`bigo status` shows on which backend each one is.')
    .action((flags: ClientFlags) =>
      withClient(app, flags, async client => {
        const body = await client.json({ path: '/api/ps' });
        if (flags.json === true) return app.terminal.print(JSON.stringify(body));
        const models = Array.isArray(body.models) ? (body.models as JsonObject[]) : [];
        const rows = models.map(model => rowOf(model, Date.now()));
        const head = ['NAME', 'ID', 'SIZE', 'PROCESSOR', 'CONTEXT', 'UNTIL'];
        for (const line of tableLines(rows, { head, right: [2, 4], paint: app.terminal.paint })) {
          app.terminal.print(line);
        }
      }),
    );
}

function rowOf(model: JsonObject, nowMs: number): string[] {
  const size = typeof model.size === 'number' ? model.size : 0;
  const vram = typeof model.size_vram === 'number' ? model.size_vram : 0;
  return [
    textOf(model.name),
    textOf(model.digest).slice(0, 12),
    humanBytes(size),
    processorText(size, vram),
    typeof model.context_length === 'number' ? String(model.context_length) : '',
    untilText(textOf(model.expires_at), nowMs),
  ];
}

function processorText(size: number, vram: number): string {
  if (vram <= 0) return '100 % CPU';
  if (vram >= size) return '100 % GPU';
  const gpu = Math.round((vram * 100) / size);
  return `${100 - gpu} % CPU, ${gpu} % GPU`;
}
