// SIGINT, SIGTERM and SIGHUP as callbacks. The first asks, a later second one ends at once.
// Never swallows a second signal that a person could have sent.
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export type ShutdownSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface ShutdownHandlers {
  /** Called once. Before the process ends by a second signal, `atOnce` runs; it must not wait. */
  readonly begin: (signal: ShutdownSignal) => void;
  readonly atOnce: () => void;
  /** What SIGHUP means; without it SIGHUP begins the shutdown, as when a terminal closes. */
  readonly reload?: () => void;
}

export interface Shutdown {
  /** From now on signals mean this; a shutdown that began goes on as it began. */
  replace(handlers: ShutdownHandlers): void;
}

/** npm passes a signal on to its child, which has had it from the terminal or its group already: both are one wish. */
const echoMsMax = 75;

/**
 * The first process of a container gets no signal that it does not listen to, and a kubelet sends SIGTERM once: the release
 * listens from its first line (scripts/build/bundle.ts) and keeps here what came before anybody was ready for it.
 */
export const EARLY_SIGNALS = 'bigo.earlySignals';

/** For servers. */
export function onShutdown(initial: ShutdownHandlers): Shutdown {
  let handlers = initial;
  let begunAtMs: number | undefined;
  const receive = (signal: ShutdownSignal) => {
    const nowMs = performance.now();
    if (begunAtMs === undefined) {
      begunAtMs = nowMs;
      handlers.begin(signal);
      return;
    }
    if (nowMs - begunAtMs < echoMsMax) return;
    handlers.atOnce();
    process.exit(exitCodeOf(signal));
  };
  const early = (globalThis as Record<symbol, unknown>)[Symbol.for(EARLY_SIGNALS)];
  if (Array.isArray(early) && early.length > 0) setImmediate(() => receive('SIGTERM'));
  process.on('SIGINT', () => receive('SIGINT'));
  process.on('SIGTERM', () => receive('SIGTERM'));
  process.on('SIGHUP', () => (handlers.reload === undefined ? receive('SIGHUP') : handlers.reload()));
  return {
    replace: next => {
      handlers = next;
    },
  };
}

export function exitCodeOf(signal: ShutdownSignal): number {
  return signal === 'SIGTERM' ? EXIT_CODES.SIGTERM : EXIT_CODES.SIGINT;
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
