// Reads one line of a progress stream of a server that may say anything. Never throws.
import type { ProgressLine } from './progress.ts';

export type ReadLine =
  | { readonly type: 'progress'; readonly line: ProgressLine }
  | { readonly type: 'success' }
  | { readonly type: 'error'; readonly message: string }
  | { readonly type: 'other' };

const messageCharsMax = 2000;

export function readLine(text: string): ReadLine {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) return { type: 'other' };
  if ('error' in value) return { type: 'error', message: wordsOf(value.error) };
  if (!('status' in value) || typeof value.status !== 'string') return { type: 'other' };
  const status = value.status.slice(0, messageCharsMax);
  if (status === 'success') return { type: 'success' };
  const digest = 'digest' in value && typeof value.digest === 'string' ? value.digest : '';
  if (digest === '' || digest.length > 200) return { type: 'progress', line: { status } };
  return {
    type: 'progress',
    line: {
      status,
      digest,
      total: sizeOf('total' in value ? value.total : 0),
      completed: sizeOf('completed' in value ? value.completed : 0),
    },
  };
}

/** What a server said with a status that is not 200, for people. */
export function errorWords(body: string, status: number): string {
  const value = parsed(body);
  if (typeof value === 'object' && value !== null && 'error' in value) return wordsOf(value.error);
  return `it answered with status ${status}`;
}

function wordsOf(error: unknown): string {
  const words = typeof error === 'string' ? error : JSON.stringify(error);
  return words.slice(0, messageCharsMax);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sizeOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
