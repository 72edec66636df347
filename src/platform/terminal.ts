// What a command writes to: stdout for results, stderr for everything else, colour only where a person reads. Never throws when a pipe closes.
import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export interface Terminal {
  /** A person reads stdout. */
  readonly isTty: boolean;
  /** A person reads stderr: progress may redraw a line there. */
  readonly isErrTty: boolean;
  readonly columns: number;
  /** One line of result. */
  print(line: string): void;
  /** One line beside the result: notes, progress, errors. */
  tell(line: string): void;
  /** Raw text to stdout; resolves when more may be written. */
  write(text: string): Promise<void>;
  /** Raw text to stderr, e.g. a progress line that is drawn again. */
  draw(text: string): void;
  readonly paint: (style: Style, text: string) => string;
  readonly paintErr: (style: Style, text: string) => string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** 'end' stops the process quietly when the reader of stdout leaves; 'ignore' is for servers, which live on. */
export function createTerminal(env: Environment, whenPipeCloses: { mode: 'end' | 'ignore' }): Terminal {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (whenPipeCloses.mode === 'end' && stream === stdout) process.exit(error.code === 'EPIPE' ? 0 : 1);
    });
  }
  return {
    isTty: stdout.isTTY === true,
    isErrTty: stderr.isTTY === true,
    columns: stderr.columns || stdout.columns || 80,
    print: line => void stdout.write(`${line}\n`),
    tell: line => void stderr.write(`${line}\n`),
    write: text => new Promise(resolve => void stdout.write(text, () => resolve())),
    draw: text => void stderr.write(text),
    paint: painter(env, stdout.isTTY === true),
    paintErr: painter(env, stderr.isTTY === true),
  };
}

function painter(env: Environment, isTty: boolean) {
  const wantsColour = (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb' && isTty;
  const forced = (env.FORCE_COLOR ?? '0') !== '0' && (env.NO_COLOR ?? '') === '';
  if (!wantsColour && !forced) return (_style: Style, text: string) => text;
  return (style: Style, text: string) => styleText(style, text, { validateStream: false });
}
