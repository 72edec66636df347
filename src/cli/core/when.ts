// Moments as people say them. Pure: now is an argument.
import { humanDuration } from '../../api/quantities.ts';

/** `3 h 10 m ago`; the text itself when it is no date. */
export function agoText(iso: string, nowMs: number): string {
  const atMs = Date.parse(iso);
  if (Number.isNaN(atMs)) return iso;
  return atMs > nowMs ? 'just now' : `${humanDuration(nowMs - atMs)} ago`;
}

const yearMs = 365 * 24 * 3_600_000;

/** When Ollama unloads a model by itself. */
export function untilText(iso: string, nowMs: number): string {
  const atMs = Date.parse(iso);
  if (Number.isNaN(atMs)) return iso;
  if (atMs - nowMs > yearMs) return 'for ever';
  return atMs <= nowMs ? 'now' : `in ${humanDuration(atMs - nowMs)}`;
}
