// `bigo keys`: makes, lists and revokes API keys in a keys file. Never stores a key, only its hash; a key is shown once.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { modelKey } from '../api/names.ts';
import { isFile } from '../platform/config-file.ts';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { tableLines } from './core/table.ts';
import { CliError, usageError } from './exit.ts';
import { loadConfig } from './load-config.ts';

interface KeysFlags {
  readonly keys?: string;
  readonly json?: boolean;
  readonly role?: string;
  readonly models?: string;
  readonly priority?: string;
}

export function define(command: Command, app: App): void {
  command.addHelpText('after', HELP).action(() => command.help());
  addFileOption(
    command.command('create').description('Make a key and show it once.').argument('<id>', 'who it is for'),
  )
    .addOption(
      new Option('--role <role>', 'admin may also change models').choices(['user', 'admin']).default('user'),
    )
    .option('--models <names>', 'only these models, separated by commas')
    .addOption(
      new Option('--priority <level>', 'highest place in the queue')
        .choices(['high', 'normal', 'low', 'batch'])
        .default('normal'),
    )
    .addHelpText('after', '\nExample:\n  $ bigo keys create ci --models llama3.2:1b --keys keys.yaml')
    .action((id: string, flags: KeysFlags) => create(app, id, flags));
  addFileOption(command.command('list').description('List the keys of a file: never the keys themselves.'))
    .addHelpText('after', '\nExample:\n  $ bigo keys list --keys keys.yaml')
    .action((flags: KeysFlags) => list(app, flags));
  addFileOption(
    command.command('revoke').description('Take a key out of the file.').argument('<id>', 'who it is for'),
  )
    .addHelpText('after', '\nExample:\n  $ bigo keys revoke ci --keys keys.yaml')
    .action((id: string, flags: KeysFlags) => revoke(app, id, flags));
}

const HELP = `
Examples:
  $ bigo keys create alice --role admin --keys keys.yaml
  $ bigo gateway --backend http://gpu-1:11434 --listen 0.0.0.0:11434 --keys keys.yaml

A running gateway takes a changed file in within seconds.`;

function addFileOption(command: Command): Command {
  return addJsonOption(command).option(
    '--keys <file>',
    'the keys file (default: gateway.keys_file of the configuration)',
  );
}

async function create(app: App, id: string, flags: KeysFlags): Promise<void> {
  const { createKey, readKeys } = await app.components.loadKeys();
  const file = fileOf(app, flags);
  if (!/^[A-Za-z0-9._@-]{1,64}$/.test(id))
    throw usageError(`"${id}" is no id: use letters, digits and . _ @ -`);
  const models = flags.models?.split(',').map(name => name.trim());
  const wrong = models?.find(name => modelKey(name) === undefined);
  if (wrong !== undefined) throw usageError(`--models: "${wrong}" is not a model name`);
  if (isFile(file) && readKeys(file).some(entry => entry.id === id)) {
    throw new CliError(`${file} has a key for ${id} already`, {
      next: `Revoke it first: bigo keys revoke ${id}`,
    });
  }
  const { key, hash } = createKey();
  const entry = {
    id,
    hash,
    role: flags.role,
    priority: flags.priority,
    ...(models === undefined ? {} : { models }),
  };
  change(file, document => document.addIn(['keys'], entry));
  if (flags.json === true) return app.terminal.print(JSON.stringify({ id, key, file }));
  app.terminal.print(key);
  app.terminal.tell(`This is the key of ${id}. It is shown once; ${file} holds only its hash.`);
}

async function list(app: App, flags: KeysFlags): Promise<void> {
  const { readKeys } = await app.components.loadKeys();
  const keys = readKeys(existingFile(app, flags)).map(({ id, role, priority, models }) => ({
    id,
    role,
    priority,
    models,
  }));
  if (flags.json === true) return app.terminal.print(JSON.stringify({ keys }));
  const rows = keys.map(key => [key.id, key.role, key.priority, key.models?.join(', ') ?? 'all']);
  const head = ['ID', 'ROLE', 'PRIORITY', 'MODELS'];
  for (const line of tableLines(rows, { head, paint: app.terminal.paint })) app.terminal.print(line);
}

async function revoke(app: App, id: string, flags: KeysFlags): Promise<void> {
  const { readKeys } = await app.components.loadKeys();
  const file = existingFile(app, flags);
  const ids = readKeys(file).map(entry => entry.id);
  if (!ids.includes(id)) {
    throw new CliError(`${file} has no key for ${id}`, {
      next: `It has: ${ids.slice(0, 20).join(', ') || 'none'}`,
    });
  }
  change(file, document => removeEntry(document, id));
  app.terminal.print(flags.json === true ? JSON.stringify({ revoked: id, file }) : `revoked ${id}`);
}

function fileOf(app: App, flags: KeysFlags): string {
  if (flags.keys !== undefined) return resolve(app.cwd, flags.keys);
  const { keysFile } = loadConfig({ env: app.env, cwd: app.cwd }).settings;
  if (keysFile !== undefined) return keysFile;
  throw usageError(
    'no keys file is named',
    'Give --keys FILE, or set gateway.keys_file in the configuration.',
  );
}

function existingFile(app: App, flags: KeysFlags): string {
  const file = fileOf(app, flags);
  if (!isFile(file))
    throw new CliError(`there is no keys file ${file}`, { next: 'Make one: bigo keys create NAME' });
  return file;
}

/** Keeps the comments of the file; the new text replaces the old one whole, so that a gateway never reads half of it. */
function change(file: string, edit: (document: Document) => void): void {
  const document = parseDocument(isFile(file) ? readFileSync(file, 'utf8') : 'keys: []\n');
  if (!isMap(document.contents) || !isSeq(document.get('keys')))
    document.set('keys', document.createNode([]));
  const keys = document.get('keys');
  if (isSeq(keys)) keys.flow = false;
  edit(document);
  try {
    writeFileSync(`${file}.new`, document.toString(), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new CliError(
      `${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    );
  }
}

function removeEntry(document: Document, id: string): void {
  const keys = document.get('keys');
  if (!isSeq(keys)) return;
  keys.items = keys.items.filter(item => !isMap(item) || item.get('id') !== id);
}
