// `bigo config`: what is in force and where each value comes from; `bigo config check`: what is wrong. Never writes.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CONFIG_KEYS } from '../api/config-keys.ts';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { tableLines } from './core/table.ts';
import { isFile } from '../platform/config-file.ts';
import { usageError } from './exit.ts';
import { type LoadedConfig, loadConfig, shortPath } from './load-config.ts';

interface ConfigFlags {
  readonly config?: string;
  readonly json?: boolean;
  readonly all?: boolean;
}

export function define(command: Command, app: App): void {
  addJsonOption(command)
    .option('--config <file>', 'read this configuration file and no other')
    .option('-a, --all', 'also show keys that nobody set')
    .addHelpText('after', HELP)
    .action((flags: ConfigFlags) => show(app, flags));
  command
    .command('check')
    .description('Check a configuration file, or the one that would be used.')
    .argument('[file]', 'the file')
    .option('--json', 'print JSON for a program')
    .addHelpText('after', '\nExample:\n  $ bigo config check gateway.yaml\n\nExit codes: 0 right, 64 wrong.')
    .action((file: string | undefined, flags: ConfigFlags) =>
      check(app, { file, isJson: flags.json === true }),
    );
}

const HELP = `
Examples:
  $ bigo config
  $ bigo config --all
  $ bigo config check .bigo/config.yaml

Later places win: ~/.config/bigo/config.yaml, .bigo/config.yaml (here or in a folder above), BIGO_* variables, flags.
The variable of gateway.queue.wait_max is BIGO_GATEWAY_QUEUE_WAIT_MAX; lists are separated by commas,
backends by blanks. --config FILE, or BIGO_CONFIG, is read instead of both files.`;

function show(app: App, flags: ConfigFlags): void {
  const loaded = loadConfig({ env: app.env, cwd: app.cwd, file: flags.config });
  const rows = valueRows(loaded).filter(
    row => flags.all === true || flags.json === true || row.from !== 'default',
  );
  if (flags.json === true)
    return app.terminal.print(JSON.stringify({ files: loaded.files, values: rows, notes: loaded.notes }));
  if (rows.length === 0)
    app.terminal.tell('Nothing is set; --all shows the defaults, `bigo init` writes a file.');
  const cells = rows.map(row => [row.key, JSON.stringify(row.value) ?? '-', row.from]);
  if (rows.length > 0) {
    const head = ['KEY', 'VALUE', 'FROM'];
    for (const line of tableLines(cells, { head, paint: app.terminal.paint })) app.terminal.print(line);
  }
  for (const note of loaded.notes) app.terminal.tell(`note: ${note}`);
}

interface ValueRow {
  readonly key: string;
  readonly value: unknown;
  readonly from: string;
}

function valueRows({ merged }: LoadedConfig): ValueRow[] {
  return CONFIG_KEYS.filter(key => !key.path.includes('[]')).map(key => {
    const path = key.path.split('.');
    const value = path.reduce<unknown>(
      (node, part) => (node as Record<string, unknown> | undefined)?.[part],
      merged.value,
    );
    const shown = key.kind === 'secret' && value !== undefined ? '(secret)' : hideSecrets(value);
    return { key: key.path, value: shown ?? key.fallback ?? null, from: merged.originOf(path) };
  });
}

const SECRET_FIELDS = new Set(['bearer', 'headers']);

function hideSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hideSecrets);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    SECRET_FIELDS.has(key) ? '(secret)' : item,
  ]);
  return Object.fromEntries(entries) as unknown;
}

function check(app: App, { file, isJson }: { file: string | undefined; isJson: boolean }): void {
  if (file !== undefined && !isFile(resolve(app.cwd, file))) {
    throw usageError(`${file} is not a file`, 'Name a configuration file; `bigo init` writes one.');
  }
  const loaded = loadConfig({ env: app.env, cwd: app.cwd, file });
  if (isJson)
    return app.terminal.print(JSON.stringify({ ok: true, files: loaded.files, notes: loaded.notes }));
  const files = loaded.files.map(shortPath).join(', ') || 'no file, only variables and defaults';
  app.terminal.print(`the configuration is right (${files})`);
  for (const note of loaded.notes) app.terminal.tell(`note: ${note}`);
}
