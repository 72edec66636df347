// One line of a chat: something to say, or a command. Pure.
export type ChatCommand =
  | { readonly type: 'nothing' | 'bye' | 'clear' | 'help' }
  | { readonly type: 'say'; readonly text: string }
  | { readonly type: 'system'; readonly text: string }
  | { readonly type: 'model'; readonly name: string }
  | { readonly type: 'unknown'; readonly name: string };

export function parseChatLine(line: string): ChatCommand {
  const text = line.trim();
  if (text === '') return { type: 'nothing' };
  // A path such as /etc/passwd at the start of a question is no command.
  const match = /^\/([a-z?]+)(?:\s+(.*))?$/s.exec(text);
  if (match === null) return { type: 'say', text };
  return command(match[1] ?? '', match[2]?.trim() ?? '');
}

function command(name: string, rest: string): ChatCommand {
  switch (name) {
    case 'bye':
    case 'exit':
    case 'quit':
      return { type: 'bye' };
    case 'clear':
      return { type: 'clear' };
    case 'help':
    case '?':
      return { type: 'help' };
    case 'system':
      return { type: 'system', text: rest };
    case 'model':
      return rest === '' ? { type: 'help' } : { type: 'model', name: rest };
    default:
      return { type: 'unknown', name: `/${name}` };
  }
}
