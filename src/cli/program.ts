// The command line: finds the one command that is meant, loads it alone, and turns every end into an exit code. Never prints a stack trace.
import { Command, CommanderError } from 'commander';
import { BigoError, ERRORS } from '../api/errors.ts';
import type { App } from './app.ts';
import { type CommandEntry, COMMANDS } from './commands.ts';
import { CliError, EXIT } from './exit.ts';
import { versionInfo } from './version.ts';

export async function runCli(args: readonly string[], app: App): Promise<number> {
  const wanted = COMMANDS.filter(({ name, alias }) =>
    args.slice(0, 2).some(word => word === name || word === alias),
  );
  const program = await buildProgram(app, wanted);
  try {
    if (args.length === 0) program.help();
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    const exitCode = exitCodeOf(error, app);
    if (error instanceof CommanderError && exitCode !== EXIT.ok && error.code !== 'commander.help')
      app.terminal.tell(`See \`${helpOf(args[0])}\`.`);
    return exitCode;
  }
}

const helpOf = (word = ''): string =>
  COMMANDS.some(({ name, alias }) => word === name || word === alias) ? `bigo ${word} --help` : 'bigo --help';

/** `loaded` commands get their options; of the others only name and summary are known. */
export async function buildProgram(app: App, loaded: readonly CommandEntry[]): Promise<Command> {
  const program = new Command('bigo');
  program
    .description('One address in front of a fleet of Ollama servers.')
    .version(versionInfo(app.env).version, '-V, --version', 'print the version')
    .configureHelp({ showGlobalOptions: false, sortSubcommands: false })
    .addHelpText('after', EXAMPLES)
    .helpCommand('help [command]', 'explain a command')
    .exitOverride()
    .configureOutput({
      writeOut: text => void process.stdout.write(text),
      writeErr: text => app.terminal.draw(text),
      outputError: (text, write) => write(app.terminal.paintErr('red', text)),
    })
    .showSuggestionAfterError(true);
  for (const entry of COMMANDS) await addCommand(program, entry, { app, isLoaded: loaded.includes(entry) });
  return program;
}

async function addCommand(
  program: Command,
  entry: CommandEntry,
  how: { app: App; isLoaded: boolean },
): Promise<void> {
  const command = program.command(entry.name, { hidden: entry.isHidden === true });
  command.summary(entry.summary).description(sentence(entry.summary)).copyInheritedSettings(program);
  if (entry.alias !== undefined) command.alias(entry.alias);
  if (how.isLoaded) (await entry.load()).define(command, how.app);
}

const sentence = (summary: string) => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;

const EXAMPLES = `
Examples:
  $ bigo up                                     start, and talk to the printed address
  $ bigo run "What is the capital of France?"   one answer
  $ bigo status                                 which backends, what waits, and why

Exit codes: 0 done, 1 failed, 64 wrong arguments or configuration, 130 interrupted.
\`bigo <command> --help\` explains a command; docs/cli.md has them all.`;

function exitCodeOf(error: unknown, app: App): number {
  const { terminal } = app;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (app.interrupted().aborted) return EXIT.interrupted;
  const message = error instanceof Error ? error.message : String(error);
  terminal.tell(`${terminal.paintErr('red', 'error:')} ${message}`);
  const next =
    error instanceof CliError ? error.next : error instanceof BigoError ? ERRORS[error.code].next : undefined;
  if (next !== undefined) terminal.tell(next);
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
