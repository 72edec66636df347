// The head of a plain request, read so strictly that nothing in it can mean two things. Whatever is unusual is not read here at all:
// such a request belongs to node:http. Never an error: the only other answer is "not plain".
import { readFields } from './fields.ts';

/** Not to be changed: the next request may be given the same one. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** Name, value, name, value; names in lower case, each once. */
  readonly fields: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
}

const REQUEST_LINE = /^(GET|HEAD|POST) (\/[\w./-]*) HTTP\/1\.1$/;
const LENGTH = /^\d{1,9}$/;
/** They change how the message or the connection is read (RFC 9112 §6, §9; RFC 9110 §7.8, §10.1.1). */
const UNUSUAL: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'http2-settings',
  'te',
  'trailer',
  'keep-alive',
  'proxy-connection',
]);

let lastText = '';
let lastHead: RequestHead | undefined;

/** `text` is everything up to the empty line, with the line end before it. One client often sends the same head again and again. */
export function readRequestHead(text: string): RequestHead | undefined {
  if (text === lastText) return lastHead;
  lastText = text;
  lastHead = read(text);
  return lastHead;
}

function read(text: string): RequestHead | undefined {
  const lineEnd = text.indexOf('\r\n');
  const line = REQUEST_LINE.exec(text.slice(0, lineEnd));
  const fields = line === null ? undefined : readFields(text.slice(lineEnd + 2));
  if (line === null || fields === undefined) return undefined;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name in headers || UNUSUAL.has(name)) return undefined;
    headers[name] = fields[at + 1] as string;
  }
  const method = line[1] ?? '';
  const bodyBytes = bodyBytesOf(method, headers);
  if (bodyBytes === undefined) return undefined;
  return { method, path: line[2] ?? '', fields, headers, bodyBytes };
}

function bodyBytesOf(method: string, headers: Readonly<Record<string, string>>): number | undefined {
  const { host, connection, 'content-length': length } = headers;
  if (host === undefined || host === '') return undefined;
  if (connection !== undefined && connection.toLowerCase() !== 'keep-alive') return undefined;
  if (method !== 'POST') return length === undefined ? 0 : undefined;
  return length !== undefined && LENGTH.test(length) ? Number(length) : undefined;
}
