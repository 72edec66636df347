// The help text of every command, as commander prints it, at a fixed width and without colours.
// Never runs a command.
import type { App } from '../../src/cli/app.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { buildProgram } from '../../src/cli/program.ts';

const columns = 100;

export interface CommandHelp {
  readonly name: string;
  readonly text: string;
}

/** Commands use what they are given only when they run, and none runs here. */
const nobody = { env: {}, cwd: '.' } as App;

export const printedProgram = (): ReturnType<typeof buildProgram> => buildProgram(nobody, COMMANDS);

export async function commandHelps(): Promise<CommandHelp[]> {
  const program = await printedProgram();
  const shown = new Set(COMMANDS.filter(command => command.isHidden !== true).map(command => command.name));
  const commands = program.commands.filter(command => shown.has(command.name()));
  return commands.map(command => {
    let text = '';
    command.configureOutput({
      writeOut: part => (text += part),
      getOutHelpWidth: () => columns,
      getOutHasColors: () => false,
    });
    command.outputHelp();
    return { name: command.name(), text };
  });
}
