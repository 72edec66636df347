// How far a pull is, from its progress lines. Never takes a pull for done before the line that says so.

export type PullState = 'running' | 'success' | 'failed' | 'cancelled' | 'interrupted';

export interface PullView {
  readonly id: string;
  readonly model: string;
  readonly status: PullState;
  /** 0 to 100, over all layers that are known. */
  readonly progress: number;
  readonly total: number;
  readonly completed: number;
  /** The last line in words, e.g. which layer. */
  readonly message: string;
  readonly error: string;
  readonly startedAt: string;
  readonly endedAt: string;
}

/** What every replica of the manager reads of a pull. */
export interface StoredPull extends PullView {
  /** The replica that carries it. */
  readonly owner: string;
  /** When it last said that it goes on; ISO time. */
  readonly seenAt: string;
}

const silenceMsMax = 30_000;

/** A pull whose replica was killed says nothing any more. */
export function pullView(stored: StoredPull, nowMs: number): PullView {
  const { owner, seenAt, ...view } = stored;
  if (view.status !== 'running' || nowMs - Date.parse(seenAt) < silenceMsMax) return view;
  return interrupted(view, seenAt, `The manager ${owner} is gone.`);
}

export function interrupted(view: PullView, endedAt: string, why: string): PullView {
  return {
    ...view,
    status: 'interrupted',
    endedAt,
    error: `${why} Pull again: it goes on from where it was.`,
  };
}

export interface PullProgress {
  readonly layers: ReadonlyMap<string, { readonly total: number; readonly completed: number }>;
  readonly message: string;
  readonly error: string;
  readonly done: boolean;
}

export const PULL_BEGIN: PullProgress = { layers: new Map(), message: 'asking', error: '', done: false };

const layersMax = 1_000;
const messageCharsMax = 500;

/** Errors come as lines under status 200 (ollama server/routes.go, streamResponse). */
export function readPullLine(before: PullProgress, line: string): PullProgress {
  const value = parse(line);
  if (value === undefined) return before;
  if (typeof value.error === 'string') {
    return { ...before, error: value.error.slice(0, messageCharsMax), done: true };
  }
  const status = typeof value.status === 'string' ? value.status.slice(0, messageCharsMax) : before.message;
  const done = status === 'success';
  const { digest, total, completed } = value;
  if (typeof digest !== 'string' || typeof total !== 'number') return { ...before, message: status, done };
  if (before.layers.size >= layersMax && !before.layers.has(digest)) return before;
  const layers = new Map(before.layers);
  layers.set(digest, { total, completed: Math.min(total, typeof completed === 'number' ? completed : 0) });
  return { layers, message: status, error: before.error, done };
}

/** Layers are told one after the other, so this may go back when a new one begins; it never says 100 before the end. */
export function sums(progress: PullProgress): { total: number; completed: number; percent: number } {
  let total = 0;
  let completed = 0;
  for (const layer of progress.layers.values()) {
    total += layer.total;
    completed += layer.completed;
  }
  if (progress.done && progress.error === '') return { total, completed: total, percent: 100 };
  return { total, completed, percent: total === 0 ? 0 : Math.min(99, Math.floor((completed / total) * 100)) };
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
