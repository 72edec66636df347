// Exit codes, and the error that carries one together with the sentence for the person. Never a stack trace.
export const EXIT = {
  ok: 0,
  failed: 1,
  /** Wrong arguments or a wrong configuration. */
  usage: 64,
  interrupted: 130,
} as const;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  /** What to do now. */
  readonly next: string | undefined;

  constructor(message: string, extra: { exitCode?: number; next?: string } = {}) {
    super(message);
    this.exitCode = extra.exitCode ?? EXIT.failed;
    this.next = extra.next;
  }
}

export function usageError(message: string, next?: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, ...(next === undefined ? {} : { next }) });
}
