// `bigo init`: a commented configuration file for this project. Never overwrites one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { CONFIG_KEYS } from '../api/config-keys.ts';
import type { App } from './app.ts';
import { configTemplate } from './core/config-template.ts';
import { CliError } from './exit.ts';

export function define(command: Command, app: App): void {
  command
    .argument('[folder]', 'the project', '.')
    .addHelpText('after', '\nExample:\n  $ bigo init\n\nA file that exists is left as it is (exit 1).')
    .action((folder: string) => {
      const path = join(resolve(app.cwd, folder), '.bigo', 'config.yaml');
      writeNew(path, configTemplate(CONFIG_KEYS));
      app.terminal.print(`wrote ${path}`);
      app.terminal.tell('Edit it, check it with `bigo config check`, and start with `bigo up`.');
    });
}

function writeNew(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new CliError(`${path} exists already`, { next: 'Edit it, or remove it first.' });
    throw new CliError(`${path} cannot be written (${code ?? String(error)})`);
  }
}
