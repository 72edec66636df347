// keep_alive as Ollama reads it (api/types.go Duration): seconds, a Go duration, negative = for ever. Never reads a clock.
import { badRequest } from './failure.ts';

/** time.Duration's largest value: what Ollama stores for "for ever". */
export const foreverMs = 9_223_372_036_854;
export const keepAliveMsDefault = 5 * 60_000;

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;

/** undefined when the request did not say. */
export function parseKeepAlive(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return clampMs(value * 1000);
  if (typeof value === 'string') return clampMs(parseGoDuration(value));
  const kind = Array.isArray(value)
    ? '[]interface {}'
    : typeof value === 'boolean'
      ? 'bool'
      : 'map[string]interface {}';
  throw badRequest(`Unsupported type: '${kind}'`);
}

function clampMs(ms: number): number {
  return ms < 0 ? foreverMs : Math.min(ms, foreverMs);
}

/** Milliseconds; the same texts are refused as Go's time.ParseDuration refuses. */
export function parseGoDuration(text: string): number {
  const negative = text.startsWith('-');
  const body = negative || text.startsWith('+') ? text.slice(1) : text;
  if (body === '0') return 0;
  if (body === '') throw badRequest(`time: invalid duration ${JSON.stringify(text)}`);
  PART.lastIndex = 0;
  let totalMs = 0;
  let end = 0;
  for (let part = PART.exec(body); part !== null; part = PART.exec(body)) {
    totalMs += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? 0);
    end = PART.lastIndex;
  }
  if (end !== body.length) {
    const reason = /^\d+\.?\d*$/.test(body.slice(end)) ? 'missing unit in' : 'invalid';
    throw badRequest(`time: ${reason} duration ${JSON.stringify(text)}`);
  }
  return negative ? -totalMs : totalMs;
}
