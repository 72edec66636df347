// SIGINT, SIGTERM and SIGHUP as callbacks. The first asks, the second ends at once. Never swallows a second signal.
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface ShutdownHandlers {
  /** Called once. Before the process ends by a second signal, `atOnce` runs; it must not wait. */
  readonly begin: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void;
  readonly atOnce: () => void;
  /** What SIGHUP means; without it SIGHUP begins the shutdown, as when a terminal closes. */
  readonly reload?: () => void;
}

/** For servers. */
export function onShutdown(handlers: ShutdownHandlers): void {
  let begun = false;
  const receive = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => {
    if (!begun) {
      begun = true;
      handlers.begin(signal);
      return;
    }
    handlers.atOnce();
    process.exit(signal === 'SIGTERM' ? EXIT_CODES.SIGTERM : EXIT_CODES.SIGINT);
  };
  process.on('SIGINT', receive);
  process.on('SIGTERM', receive);
  process.on('SIGHUP', signal =>
    handlers.reload === undefined ? receive(signal as 'SIGHUP') : handlers.reload(),
  );
}

/** For commands: aborted by the first Ctrl-C or SIGTERM; a second one ends the process. */
export function interruptSignal(): { readonly signal: AbortSignal; readonly exitCode: () => number } {
  const controller = new AbortController();
  let code: number = EXIT_CODES.SIGINT;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(EXIT_CODES[name]);
      code = EXIT_CODES[name];
      controller.abort(new Error(`interrupted by ${name}`));
    });
  }
  return { signal: controller.signal, exitCode: () => code };
}
