// Reads the lines of a pull: bytes by layer, phase, end, and when it stands still. Never reads a clock.
export interface PullProgress {
  readonly phase: string;
  readonly layers: ReadonlyMap<string, { readonly completedBytes: number; readonly totalBytes: number }>;
  /** Last time that bytes or phase moved. */
  readonly movedAtMs: number;
  readonly end?: { readonly error: string } | 'success';
}

const layersMax = 1_000;
/** Ollama says nothing while it hashes what it fetched: many minutes for the largest models on slow disks. */
const hashMsMax = 60 * 60_000;

export function newProgress(nowMs: number): PullProgress {
  return { phase: '', layers: new Map(), movedAtMs: nowMs };
}

export function onLine(progress: PullProgress, line: string, nowMs: number): PullProgress {
  const value = objectOf(line);
  if (value === undefined) return progress;
  if (typeof value['error'] === 'string') return { ...progress, end: { error: value['error'] } };
  const phase = typeof value['status'] === 'string' ? value['status'] : progress.phase;
  if (phase === 'success') return { ...progress, phase, movedAtMs: nowMs, end: 'success' };
  const layers = withLayer(progress.layers, value);
  const moved = layers !== progress.layers || phase !== progress.phase;
  return { phase, layers, movedAtMs: moved ? nowMs : progress.movedAtMs };
}

function withLayer(
  layers: PullProgress['layers'],
  value: Readonly<Record<string, unknown>>,
): PullProgress['layers'] {
  const { digest, total, completed = 0 } = value;
  if (typeof digest !== 'string' || typeof total !== 'number' || typeof completed !== 'number') return layers;
  const before = layers.get(digest);
  if (before?.completedBytes === completed && before.totalBytes === total) return layers;
  if (before === undefined && layers.size >= layersMax) return layers;
  return new Map(layers).set(digest, { completedBytes: completed, totalBytes: total });
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

export function bytesOf(progress: PullProgress): { completedBytes: number; totalBytes: number } {
  const layers = [...progress.layers.values()];
  return {
    completedBytes: layers.reduce((sum, layer) => sum + layer.completedBytes, 0),
    totalBytes: layers.reduce((sum, layer) => sum + layer.totalBytes, 0),
  };
}

/** When it counts as standing still unless it moves before. */
export function stalledAtMs(progress: PullProgress, stallMsMax: number): number {
  return progress.movedAtMs + (progress.phase.startsWith('verifying') ? hashMsMax : stallMsMax);
}
