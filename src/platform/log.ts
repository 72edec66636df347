// The log of a process: one JSON line per event on stderr. Never writes a prompt, an answer or a key; callers pass fields, not objects of the request.
import { pino } from 'pino';
import type { Logger } from 'pino';

export type Log = Logger;

export interface LogOptions {
  readonly level?: string;
  /** File descriptor; stdout belongs to the ready line and to command output. */
  readonly fd?: number;
}

/** Lines are written without blocking the event loop; call `flush` before the process ends. */
export function createLog(options: LogOptions = {}): { log: Log; flush: () => void } {
  const destination = pino.destination({ dest: options.fd ?? 2, sync: false });
  const log = pino(
    {
      base: null,
      level: options.level ?? 'info',
      timestamp: timeField,
      formatters: { level: label => ({ level: label }) },
    },
    destination,
  );
  const flush = (): void => {
    try {
      destination.flushSync();
    } catch {
      // The destination was never opened or is closed: nothing is left to write.
    }
  };
  return { log, flush };
}

export function silentLog(): Log {
  return pino({ level: 'silent' });
}

let timeFieldMs = 0;
let timeFieldText = '';

/** pino's ISO time, made at most once per millisecond. */
function timeField(): string {
  const nowMs = Date.now();
  if (nowMs !== timeFieldMs) timeFieldText = `,"time":"${new Date(nowMs).toISOString()}"`;
  timeFieldMs = nowMs;
  return timeFieldText;
}
