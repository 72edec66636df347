// Completion scripts of three shells from one list of words. Pure.

export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly {
    readonly text: string;
    readonly help: string;
    readonly values: readonly string[];
  }[];
  readonly subcommands: readonly string[];
}

const wordsAfter = (command: CommandWords) =>
  [...command.subcommands, ...command.flags.map(flag => flag.text), '--help'].join(' ');

export function bashScript(commands: readonly CommandWords[]): string {
  const cases = commands.map(command => `    ${command.name}) words="${wordsAfter(command)}" ;;`).join('\n');
  return `# bash completion of bigo
_bigo() {
  local words
  COMPREPLY=()
  case "\${COMP_CWORD}:\${COMP_WORDS[1]}" in
    1:*) words="${commands.map(command => command.name).join(' ')} help --help --version" ;;
    *) case "\${COMP_WORDS[1]}" in
${cases}
    *) words="" ;;
    esac ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _bigo bigo
`;
}

const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const zshText = (text: string) => text.replaceAll(/[[\]:]/g, String.raw`\$&`);

export function zshScript(commands: readonly CommandWords[]): string {
  const names = commands
    .map(command => `    ${quoted(`${command.name}:${zshText(command.summary)}`)}`)
    .join('\n');
  const cases = commands
    .map(command => {
      const flags = command.flags.map(flag => quoted(`${flag.text}[${zshText(flag.help)}]`));
      const rest =
        command.subcommands.length > 0 ? [quoted(`1:command:(${command.subcommands.join(' ')})`)] : [];
      return `    ${command.name}) _arguments ${[...flags, ...rest, "'*:file:_files'"].join(' ')} ;;`;
    })
    .join('\n');
  return `#compdef bigo
_bigo() {
  local -a commands
  commands=(
${names}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "\${words[1]}" in
${cases}
  esac
}
compdef _bigo bigo
`;
}

export function fishScript(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap(command => [
    `complete -c bigo -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.summary)}`,
    ...command.subcommands.map(
      name => `complete -c bigo -n '__fish_seen_subcommand_from ${command.name}' -f -a ${name}`,
    ),
    ...command.flags.map(flag => {
      const values = flag.values.length > 0 ? ` -x -a ${quoted(flag.values.join(' '))}` : '';
      const long = flag.text.replace(/^--/, '');
      return `complete -c bigo -n '__fish_seen_subcommand_from ${command.name}' -l ${long} -d ${quoted(flag.help)}${values}`;
    }),
  ]);
  return `# fish completion of bigo\n${lines.join('\n')}\n`;
}
