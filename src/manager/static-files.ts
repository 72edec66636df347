// Serves the built page: names with a hash for ever, the rest never from a cache. Never serves a file that is not in the built folder's list.
import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

/** No inline script and nothing from another host; a style attribute set by script is not held back by this. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
};
const filesMax = 200;
const gzipBytesMin = 1_024;

interface BuiltFile {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer | undefined;
  readonly cache: string;
}

/** Read once: the built page is small. Undefined when it is not built. */
export class StaticFiles {
  private readonly dir: string;
  private files: ReadonlyMap<string, BuiltFile> | undefined;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** `name` is what follows the page's own address. */
  serve(req: IncomingMessage, res: ServerResponse, name: string): void {
    this.files ??= readFiles(this.dir);
    const files = this.files;
    if (files === undefined) return send(req, res, { status: 503, file: notBuilt });
    const file = files.get(name === '' ? 'index.html' : name);
    if (file === undefined) return send(req, res, { status: 404, file: notThere });
    send(req, res, { status: 200, file });
  }
}

function send(req: IncomingMessage, res: ServerResponse, answer: { status: number; file: BuiltFile }): void {
  const { plain, gzip, type, cache } = answer.file;
  const zipped = gzip !== undefined && /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  const body = zipped ? gzip : plain;
  res.writeHead(answer.status, {
    ...PAGE_HEADERS,
    'content-type': type,
    'content-length': body.length,
    'cache-control': cache,
    vary: 'accept-encoding',
    ...(zipped && { 'content-encoding': 'gzip' }),
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function readFiles(dir: string): ReadonlyMap<string, BuiltFile> | undefined {
  let names: string[];
  try {
    names = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' });
  } catch {
    return undefined;
  }
  const files = new Map<string, BuiltFile>();
  for (const name of names.slice(0, filesMax)) {
    const type = TYPES[path.extname(name)];
    if (type === undefined) continue;
    const plain = fs.readFileSync(path.join(dir, name));
    files.set(name.split(path.sep).join('/'), {
      type,
      plain,
      gzip: plain.length < gzipBytesMin ? undefined : gzipSync(plain),
      cache: /-[\w-]{8}\.\w+$/.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
  }
  return files.has('index.html') ? files : undefined;
}

function page(text: string): BuiltFile {
  const plain = Buffer.from(`<!doctype html><html lang="en"><title>BigO</title><p>${text}</p></html>\n`);
  return { type: 'text/html; charset=utf-8', plain, gzip: undefined, cache: 'no-store' };
}

const notBuilt = page(
  'The web page is not built here; the gateway itself works. Build it with <code>npm ci &amp;&amp; npm run build</code> in the folder <code>ui</code>, then start again.',
);
const notThere = page('There is no such page. <a href="./">To the start</a>');
