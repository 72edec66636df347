// `bigo completion`: scripts that complete commands and flags, made from the commands themselves. Never asks a server.
import { type Command, Argument } from 'commander';
import type { App } from './app.ts';
import { COMMANDS } from './commands.ts';
import { bashScript, type CommandWords, fishScript, zshScript } from './core/completion-scripts.ts';
import { buildProgram } from './program.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function define(command: Command, app: App): void {
  command
    .addArgument(new Argument('<shell>', 'your shell').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', HELP)
    .action(async (shell: keyof typeof SCRIPTS) => {
      const program = await buildProgram(app, COMMANDS);
      const visible = program.commands.filter(child =>
        COMMANDS.some(entry => entry.name === child.name() && entry.isHidden !== true),
      );
      await app.terminal.write(SCRIPTS[shell](visible.map(wordsOf)));
    });
}

const HELP = `
Examples:
  $ bigo completion bash >> ~/.bashrc
  $ bigo completion zsh > "\${fpath[1]}/_bigo"
  $ bigo completion fish > ~/.config/fish/completions/bigo.fish`;

function wordsOf(command: Command): CommandWords {
  return {
    name: command.name(),
    summary: command.summary(),
    flags: command.options.map(option => ({
      text: option.long ?? option.short ?? '',
      help: option.description,
      values: option.argChoices ?? [],
    })),
    subcommands: command.commands.map(child => child.name()),
  };
}
