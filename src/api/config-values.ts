// Builders for the values of the configuration schema: each carries one rule, said in one sentence. Never knows a key's name.
import * as z from 'zod';
import { BACKEND_NAME, NAME_RULE, parseBackendUrl, SLOTS_MAX, SLOTS_RULE } from './backend-spec.ts';
import { parseModelName } from './names.ts';
import { durationText, parseDurationMs, parseSizeBytes, sizeText } from './quantities.ts';
import type { HostPort } from './settings.ts';

/** How a value is written, so that a variable's text can be read and a path resolved. */
export type KeyKind = 'text' | 'whole' | 'flag' | 'list' | 'map' | 'path' | 'secret' | 'items';
export interface KeyMeta {
  readonly kind: KeyKind;
  readonly help: string;
}

export const keyed = <Schema extends z.ZodType>(kind: KeyKind, help: string, schema: Schema): Schema =>
  schema.meta({ kind, help });

export const whole = (min: number, max: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z.int(rule).min(min, rule).max(max, rule);
};
export const flag = () => z.boolean('must be true or false');
export const text = (rule: string) => z.string(rule).min(1, rule).max(4096, rule);

function parsed<Value>(rule: string, parse: (text: string) => Value | undefined) {
  return z.string(rule).transform((input, context): Value => {
    const value = parse(input);
    if (value === undefined) context.issues.push({ code: 'custom', message: rule, input });
    return value as Value;
  });
}

export function duration(minMs: number, maxMs: number) {
  const rule = `must be a duration from ${durationText(minMs)} to ${durationText(maxMs)}, e.g. 30s or 5m`;
  return parsed(rule, input => bounded(parseDurationMs(input), minMs, maxMs));
}

export function size(minBytes: number, maxBytes: number) {
  const rule = `must be a size from ${sizeText(minBytes)} to ${sizeText(maxBytes)}, e.g. 100MiB`;
  return parsed(rule, input => bounded(parseSizeBytes(input), minBytes, maxBytes));
}

const bounded = (value: number | undefined, min: number, max: number) =>
  value !== undefined && value >= min && value <= max ? value : undefined;

/** `127.0.0.1:11434`, `[::1]:0`, `:11434` (every address). */
export function parseHostPort(input: string): HostPort | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):(\d{1,5})$/.exec(input);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) return undefined;
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
  return { host: host === '' ? '0.0.0.0' : host, port };
}
export const hostPort = () =>
  parsed('must be HOST:PORT such as 127.0.0.1:11434 (port 0 = any free one)', parseHostPort);

export const url = () =>
  z.string('must be a URL such as http://127.0.0.1:11434').transform((input, context): string => {
    const result = parseBackendUrl(input);
    if ('url' in result) return result.url;
    context.issues.push({ code: 'custom', message: result.problem, input });
    return input;
  });

const modelRule = 'must be a model name such as llama3.2:1b';
export const modelName = () =>
  z.string(modelRule).refine(name => parseModelName(name) !== undefined, modelRule);
export const backendName = () => z.string(NAME_RULE).regex(BACKEND_NAME, NAME_RULE);
export const slots = () => z.int(SLOTS_RULE).min(1, SLOTS_RULE).max(SLOTS_MAX, SLOTS_RULE);
export const listRule = 'must be a list';
