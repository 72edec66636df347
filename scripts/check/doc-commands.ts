// Commands of ours that documents print: each must exist, with each of its options. Never runs one.
import type { buildProgram } from '../../src/cli/program.ts';
import type { SourceFile } from './source.ts';

type Command = Awaited<ReturnType<typeof buildProgram>>['commands'][number];

interface Line {
  readonly path: string;
  readonly text: string;
}

const fencePattern = /^```(\w*)[^\n]*\n([\s\S]*?)^```/gm;
const inlinePattern = /`([^`\n]+)`/g;
/** A prompt, variables, and the program under one of its names. */
const commandPattern = /^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:sudo )?(?:bin\/)?bigo (?<words>.+)$/;
const shellFences = new Set(['sh', 'bash', 'console', 'text', '']);

export function unknownCommands(documents: readonly SourceFile[], program: Command): string[] {
  return documents.flatMap(commandLines).flatMap(({ path, text }) => {
    const problem = commandProblem(wordsOf(text), program);
    return problem === undefined ? [] : [`${path} prints \`bigo ${text}\`: ${problem}`];
  });
}

function commandLines({ path, text }: SourceFile): Line[] {
  const fenced = [...text.matchAll(fencePattern)]
    .filter(([, language = '']) => shellFences.has(language))
    .flatMap(([, , body = '']) => body.replaceAll(/\\\n\s*/g, ' ').split('\n'));
  const inline = [...text.replaceAll(fencePattern, '').matchAll(inlinePattern)].map(([, code = '']) => code);
  return [...fenced, ...inline].flatMap(line => {
    const words = commandPattern.exec(line.trim())?.groups?.['words'];
    return words === undefined ? [] : [{ path, text: words }];
  });
}

/** Up to a pipe, a redirection, a comment, or the next command. */
function wordsOf(text: string): string[] {
  const words = text.match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  const end = words.findIndex(word => /^(\||>|>>|#|&&|;|&|2>)/.test(word));
  return end < 0 ? words : words.slice(0, end);
}

/** COMMAND, … and the like stand for something. */
const isPlaceholder = (word: string): boolean => /[A-Z<…]/.test(word);

export function commandProblem(words: readonly string[], program: Command): string | undefined {
  const [name = '', ...rest] = words;
  if (name.startsWith('-') || isPlaceholder(name) || name === 'help') return undefined;
  const command = childOf(program, name);
  // Prose such as "bigo is" would otherwise count; a command is one word of small letters.
  if (command === undefined) return `there is no command ${name}`;
  const inner = childOf(command, rest[0] ?? '');
  const wrong = rest.filter(word => /^--?[a-z]/.test(word)).find(word => !hasOption(inner ?? command, word));
  return wrong === undefined ? undefined : `it has no option ${wrong}`;
}

function childOf(command: Command, name: string): Command | undefined {
  return command.commands.find(child => child.name() === name || child.aliases().includes(name));
}

function hasOption(command: Command, word: string): boolean {
  const [flag = ''] = word.split('=');
  if (flag === '--help' || flag === '-h') return true;
  return command.options.some(option => option.long === flag || option.short === flag);
}
