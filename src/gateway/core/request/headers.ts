// Which headers go to a backend, which come back, and what the gateway itself reads from them.
// Never passes on a credential, an Origin, a hop-by-hop header or a client's copy of a header of ours.
import { BigoError } from '../../../api/errors.ts';
import type { Priority } from '../scheduler/messages.ts';

export { checkHost, checkOrigin } from '../../../api/origin.ts';

/** What a backend may need to know of the client's own headers; everything else stays here. */
const FORWARDED: ReadonlySet<string> = new Set([
  'accept',
  'content-type',
  'user-agent',
  'accept-language',
  'anthropic-version',
  'anthropic-beta',
  'tracestate',
]);

/** Hop-by-hop (RFC 9110 §7.6.1), what the gateway writes itself, and what must not leak out of the fleet. */
const NOT_ANSWERED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'date',
  'cache-control',
  'x-accel-buffering',
  'set-cookie',
  'server',
  'alt-svc',
  'strict-transport-security',
  'x-request-id',
]);

const valueBytesMax = 8 * 1024;

export interface ForwardContext {
  readonly requestId: string;
  /** 48 random hexadecimal digits: trace and parent id, should the client have sent none. */
  readonly traceHex: string;
  readonly clientIp: string;
  readonly proto: 'http' | 'https';
}

/** Flat name, value, name, value … as node:http gives and undici takes; names in lower case. */
export function forwardHeaders(raw: readonly string[], context: ForwardContext): string[] {
  const named = connectionTokens(raw);
  const headers: string[] = [];
  let forwardedFor = '';
  let trace = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    const value = raw[at + 1] as string;
    if (value.length > valueBytesMax || named?.has(name)) continue;
    if (FORWARDED.has(name)) headers.push(name, value);
    else if (name === 'traceparent' && isTraceparent(value)) trace = value;
    else if (name === 'x-forwarded-for')
      forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`;
  }
  headers.push('x-request-id', context.requestId, 'traceparent', trace || makeTraceparent(context.traceHex));
  const chain = forwardedFor.length > 1024 ? '' : forwardedFor;
  headers.push('x-forwarded-for', chain === '' ? context.clientIp : `${chain}, ${context.clientIp}`);
  headers.push('x-forwarded-proto', context.proto);
  return headers;
}

/** The upstream's headers for the client, without lengths: a stream is chunked, a held answer is measured anew. */
export function answerHeaders(raw: readonly string[], answer: 'stream' | 'whole'): string[] {
  const named = connectionTokens(raw);
  const headers: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    const ours = NOT_ANSWERED.has(name) || name.startsWith('x-bigo-') || name.startsWith('access-control-');
    if (!ours && !named?.has(name)) headers.push(name, raw[at + 1] as string);
  }
  if (answer === 'stream') {
    headers.push('cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no');
  }
  return headers;
}

/** Every header that a Connection header names is for this hop only. */
function connectionTokens(raw: readonly string[]): Set<string> | undefined {
  let tokens: Set<string> | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    const value = (raw[at + 1] as string).toLowerCase();
    if (value === 'keep-alive' || value === 'close') continue;
    tokens ??= new Set();
    for (const token of value.split(',')) tokens.add(token.trim());
  }
  return tokens;
}

/** W3C Trace Context §3.2: version ff and all-zero ids are invalid. */
function isTraceparent(value: string): boolean {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/.exec(value);
  return match !== null && match[1] !== 'ff' && !/^0+$/.test(match[2] ?? '') && !/^0+$/.test(match[3] ?? '');
}

function makeTraceparent(hex: string): string {
  return `00-${hex.slice(0, 32)}-${hex.slice(32, 48)}-01`;
}

/** As node:http's `headers`: lower-case names, one string where a name was repeated or not. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>;

const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low', 'batch'];
const queueTimeoutMsMax = 24 * 3600_000;

export function priorityOf(headers: HeaderMap): Priority | BigoError {
  const value = headers['x-bigo-priority'];
  if (value === undefined) return 'normal';
  return (
    PRIORITIES.find(priority => priority === value) ??
    new BigoError('bad_request', 'The header x-bigo-priority must be high, normal, low or batch.')
  );
}

/** Undefined when the client sets none. It can only lower the gateway's own limit. */
export function queueTimeoutOf(headers: HeaderMap): number | undefined | BigoError {
  const value = headers['x-bigo-queue-timeout-ms'];
  if (value === undefined) return undefined;
  const valid = typeof value === 'string' && /^\d{1,8}$/.test(value) && Number(value) <= queueTimeoutMsMax;
  if (valid) return Number(value);
  return new BigoError(
    'bad_request',
    'The header x-bigo-queue-timeout-ms must be whole milliseconds, 0 to 86400000.',
  );
}

/** Bodies are read here, so they must not be compressed. */
export function checkEncoding(headers: HeaderMap): BigoError | undefined {
  const value = headers['content-encoding'];
  if (value === undefined || value === '' || value === 'identity') return undefined;
  const shown = String(value)
    .slice(0, 40)
    .replace(/[^\w, -]/g, '?');
  return new BigoError(
    'unsupported_encoding',
    `The body is sent with content encoding ${shown}, which is not read here.`,
  );
}
