// The progress of a pull, from the lines of /api/pull. Pure: the moment is an argument.
import { humanBytes, humanDuration } from '../../api/quantities.ts';

export interface PullLine {
  readonly status?: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
}

export interface Progress {
  readonly status: string;
  readonly layers: ReadonlyMap<string, { readonly total: number; readonly completed: number }>;
  /** First line with bytes: the speed is measured from there. */
  readonly start: { readonly atMs: number; readonly bytes: number } | undefined;
  readonly bytesPerSecond: number;
  readonly isDone: boolean;
}

const layersMax = 1000;

export function newProgress(): Progress {
  return { status: '', layers: new Map(), start: undefined, bytesPerSecond: 0, isDone: false };
}

export function takeLine(progress: Progress, line: PullLine, nowMs: number): Progress {
  const layers = new Map(progress.layers);
  if (
    line.digest !== undefined &&
    line.total !== undefined &&
    (layers.has(line.digest) || layers.size < layersMax)
  ) {
    layers.set(line.digest, { total: line.total, completed: Math.min(line.completed ?? 0, line.total) });
  }
  const bytes = sumOf(layers, 'completed');
  const start = progress.start ?? (layers.size > 0 ? { atMs: nowMs, bytes } : undefined);
  const seconds = start === undefined ? 0 : (nowMs - start.atMs) / 1000;
  return {
    status: line.status ?? progress.status,
    layers,
    start,
    bytesPerSecond:
      start !== undefined && seconds > 0.5 ? (bytes - start.bytes) / seconds : progress.bytesPerSecond,
    isDone: line.status === 'success',
  };
}

function sumOf(layers: Progress['layers'], field: 'total' | 'completed'): number {
  return [...layers.values()].reduce((sum, layer) => sum + layer[field], 0);
}

export function percentOf(progress: Progress): number | undefined {
  const total = sumOf(progress.layers, 'total');
  return total === 0 ? undefined : Math.floor((sumOf(progress.layers, 'completed') * 100) / total);
}

const barCharsMin = 10;

/** For a terminal, at most `columns` wide: drawn again and again in one line. */
export function barLine(progress: Progress, columns: number): string {
  const percent = percentOf(progress);
  if (percent === undefined || !isDownloading(progress)) return progress.status.slice(0, columns);
  const total = sumOf(progress.layers, 'total');
  const completed = sumOf(progress.layers, 'completed');
  const speed = progress.bytesPerSecond;
  const rate =
    speed > 0 ? ` ${humanBytes(speed)}/s ${humanDuration(((total - completed) * 1000) / speed)}` : '';
  const tail = ` ${String(percent).padStart(3)} % ${humanBytes(completed)} of ${humanBytes(total)}${rate}`;
  const bar = columns - tail.length - 2;
  if (bar < barCharsMin) return tail.trim().slice(0, columns);
  const filled = Math.round((bar * percent) / 100);
  return `▕${'█'.repeat(filled)}${' '.repeat(bar - filled)}▏${tail}`;
}

/** For a log: changes with each step and each tenth. */
export function plainLine(progress: Progress): string {
  const percent = percentOf(progress);
  if (percent === undefined || !isDownloading(progress)) return progress.status;
  return `downloading ${Math.floor(percent / 10) * 10} % of ${humanBytes(sumOf(progress.layers, 'total'))}`;
}

const isDownloading = (progress: Progress) =>
  /^(pulling|downloading) (sha256:)?[0-9a-f]{6,}/.test(progress.status);
