// The log of a process: one JSON line per event on stderr. Never writes a prompt, an answer or a key; callers pass fields, not objects of the request.
import { pino, symbols } from 'pino';
import type { Logger } from 'pino';
import { isoOf } from './clock.ts';

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
  if (nowMs !== timeFieldMs) timeFieldText = `,"time":"${isoOf(nowMs)}"`;
  timeFieldMs = nowMs;
  return timeFieldText;
}

const batchMs = 50;
const batchCharsMax = 64 * 1024;

/**
 * Writes many small lines of one kind to the log's own destination, some at a time: a line then costs a tenth of what it costs
 * through the logger. Same fields and form as `log.info(fields, message)`. Never used for what must survive a crash.
 */
export class LineWriter {
  private readonly log: Log;
  private readonly message: string;
  private readonly on: boolean;
  private batch = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(log: Log, message: string) {
    this.log = log;
    this.message = message;
    this.on = log.isLevelEnabled('info');
  }

  write(fields: object): void {
    if (!this.on) return;
    const rest = JSON.stringify(fields);
    this.batch += `{"level":"info"${timeField()},${rest.slice(1, -1)},"msg":"${this.message}"}\n`;
    if (this.batch.length > batchCharsMax) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), batchMs).unref();
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { batch } = this;
    this.batch = '';
    if (batch === '') return;
    const stream = (this.log as unknown as Record<symbol, { write(text: string): void }>)[symbols.streamSym];
    stream?.write(batch);
  }
}
