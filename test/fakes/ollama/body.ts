// Reading a JSON body as Go does: keys fold case and the last one counts, wrong types are named. Never bounds a body, as Ollama does not.
import type { IncomingMessage } from 'node:http';
import { Refusal } from './context.ts';

export async function readBytes(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function parseBody(bytes: Buffer, struct: string): Record<string, unknown> {
  if (bytes.length === 0) throw new Refusal(400, 'missing request body');
  const value = parseJson(bytes.toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, `json: cannot unmarshal ${goKind(value)} into Go value of type api.${struct}`);
  }
  const folded: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) folded[key.toLowerCase()] = field;
  checkTypes(folded, struct);
  return folded;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const at = /position (\d+)/.exec(String(error))?.[1];
    const char = at === undefined ? undefined : text[Number(at)];
    if (char === undefined) throw new Refusal(400, 'unexpected EOF');
    const wanted = /property name/.test(String(error)) ? 'object key string' : 'value';
    throw new Refusal(400, `invalid character '${char}' looking for beginning of ${wanted}`);
  }
}

const TEXT = new Set([
  'model',
  'name',
  'prompt',
  'suffix',
  'system',
  'template',
  'source',
  'destination',
  'from',
]);
const FLAG = new Set(['stream', 'raw', 'insecure', 'truncate', 'shift', 'verbose']);
const NUMBER = new Set(['top_logprobs', 'dimensions', 'max_tokens', 'max_output_tokens']);

function checkTypes(body: Record<string, unknown>, struct: string): void {
  for (const [key, value] of Object.entries(body)) {
    if (value === null) continue;
    const wrong = (type: string): Refusal =>
      new Refusal(
        400,
        `json: cannot unmarshal ${goKind(value)} into Go struct field ${struct}.${key} of type ${type}`,
      );
    if (TEXT.has(key) && typeof value !== 'string' && struct !== 'MessagesRequest') throw wrong('string');
    if (FLAG.has(key) && typeof value !== 'boolean') throw wrong('bool');
    if (NUMBER.has(key) && typeof value !== 'number') throw wrong('int');
    if (key === 'messages' && !Array.isArray(value)) throw wrong('[]api.Message');
    if (key === 'options' && (typeof value !== 'object' || Array.isArray(value)))
      throw wrong('map[string]interface {}');
  }
}

function goKind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** api.Duration: seconds or Go's duration text; negative = for ever. */
export function keepAliveMs(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value < 0 ? Infinity : value * 1000;
  if (typeof value !== 'string') throw new Refusal(400, `Unsupported type: '${goKind(value)}'`);
  if (value === '0') return 0;
  const match = /^(-?)((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(value);
  if (match === null) {
    const unitMissing = /^-?\d+(\.\d+)?$/.test(value);
    throw new Refusal(
      400,
      `time: ${unitMissing ? 'missing unit in' : 'invalid'} duration ${JSON.stringify(value)}`,
    );
  }
  let totalMs = 0;
  for (const part of (match[2] ?? '').matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(part[1]) * (UNITS_MS[part[2] ?? 's'] ?? 0);
  }
  return match[1] === '-' ? Infinity : totalMs;
}
