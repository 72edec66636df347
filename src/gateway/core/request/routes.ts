// The exact list of what is served, and the match of a method and a path against it.
// Never lets an encoded, doubled, dotted or trailing-slash spelling of a path reach a route: those are unknown paths.
import { BigoError, type ErrorCode } from '../../../api/errors.ts';
import type { Dialect, Route, RouteMatch } from './types.ts';

/** Raised before a route is known: the path's prefix still tells whose error shape the caller reads. */
export class RouteError extends BigoError {
  readonly dialect: Dialect;
  /** Methods that the path has; empty unless wrong_method. */
  readonly allow: readonly string[];

  constructor(code: ErrorCode, message: string, where: { dialect: Dialect; allow?: readonly string[] }) {
    super(code, message);
    this.dialect = where.dialect;
    this.allow = where.allow ?? [];
  }
}

type RouteInit = Pick<Route, 'id' | 'method' | 'path'> & Partial<Route>;

const local = (init: RouteInit): Route => ({
  dialect: 'ollama',
  kind: 'local',
  shape: 'json',
  streamsByDefault: false,
  versionMin: '0.0.0',
  ticketKind: 'holder',
  admin: false,
  body: 'none',
  ...init,
});
const list = (init: RouteInit): Route => local({ kind: 'list', ...init });
const infer = (init: RouteInit): Route =>
  local({ kind: 'inference', ticketKind: 'generate', body: 'json', ...init });
const native = (init: RouteInit): Route => infer({ shape: 'ollama_ndjson', streamsByDefault: true, ...init });
const openai = (init: RouteInit): Route => infer({ dialect: 'openai', shape: 'openai_sse', ...init });
const change = (init: RouteInit): Route => local({ kind: 'change', admin: true, body: 'json', ...init });
const progress = (init: RouteInit): Route =>
  change({ shape: 'status_ndjson', streamsByDefault: true, ...init });

/** Ollama's whole surface with the version that brought each route (ollama server/routes.go, GenerateRoutes). */
export const ROUTES: readonly Route[] = [
  local({ id: 'root', method: 'GET', path: '/' }),
  local({ id: 'root', method: 'HEAD', path: '/' }),
  local({ id: 'version', method: 'GET', path: '/api/version' }),
  local({ id: 'version', method: 'HEAD', path: '/api/version' }),
  local({ id: 'status', method: 'GET', path: '/api/status' }),
  local({ id: 'whoami', method: 'GET', path: '/bigo/v1/whoami', dialect: 'bigo' }),
  list({ id: 'tags', method: 'GET', path: '/api/tags' }),
  list({ id: 'tags', method: 'HEAD', path: '/api/tags' }),
  list({ id: 'ps', method: 'GET', path: '/api/ps' }),
  native({ id: 'generate', method: 'POST', path: '/api/generate' }),
  native({ id: 'chat', method: 'POST', path: '/api/chat', versionMin: '0.1.14' }),
  infer({ id: 'embed', method: 'POST', path: '/api/embed', versionMin: '0.2.6', ticketKind: 'embed' }),
  infer({ id: 'embeddings', method: 'POST', path: '/api/embeddings', ticketKind: 'embed' }),
  local({ id: 'show', method: 'POST', path: '/api/show', kind: 'holder', body: 'json' }),
  progress({ id: 'pull', method: 'POST', path: '/api/pull' }),
  progress({ id: 'push', method: 'POST', path: '/api/push' }),
  progress({ id: 'create', method: 'POST', path: '/api/create' }),
  change({ id: 'copy', method: 'POST', path: '/api/copy' }),
  change({ id: 'delete', method: 'DELETE', path: '/api/delete' }),
  change({
    id: 'blob_head',
    method: 'HEAD',
    path: '/api/blobs/:digest',
    kind: 'blob',
    body: 'none',
    versionMin: '0.1.10',
  }),
  change({
    id: 'blob_upload',
    method: 'POST',
    path: '/api/blobs/:digest',
    kind: 'blob',
    body: 'raw',
    versionMin: '0.1.10',
  }),
  openai({ id: 'v1_chat_completions', method: 'POST', path: '/v1/chat/completions', versionMin: '0.1.24' }),
  openai({ id: 'v1_completions', method: 'POST', path: '/v1/completions', versionMin: '0.2.0' }),
  openai({
    id: 'v1_responses',
    method: 'POST',
    path: '/v1/responses',
    versionMin: '0.13.3',
    shape: 'responses_sse',
  }),
  openai({
    id: 'v1_embeddings',
    method: 'POST',
    path: '/v1/embeddings',
    versionMin: '0.2.6',
    shape: 'json',
    ticketKind: 'embed',
  }),
  openai({
    id: 'v1_audio_transcriptions',
    method: 'POST',
    path: '/v1/audio/transcriptions',
    versionMin: '0.20.0',
    shape: 'json',
    body: 'multipart',
  }),
  list({ id: 'v1_models', method: 'GET', path: '/v1/models', dialect: 'openai' }),
  list({ id: 'v1_model', method: 'GET', path: '/v1/models/:model', dialect: 'openai' }),
  infer({
    id: 'v1_messages',
    method: 'POST',
    path: '/v1/messages',
    dialect: 'anthropic',
    shape: 'anthropic_sse',
    versionMin: '0.14.0',
  }),
  infer({
    id: 'v1_messages_count_tokens',
    method: 'POST',
    path: '/v1/messages/count_tokens',
    dialect: 'anthropic',
    shape: 'json',
    // The backend is asked by /v1/messages.
    versionMin: '0.14.0',
  }),
];

/** Ollama serves these, the gateway does not: they speak for one machine's account, or run on somebody's cloud. */
const NOT_SERVED = new Set([
  '/api/me',
  '/api/signout',
  '/api/experimental/web_search',
  '/api/experimental/web_fetch',
  '/api/experimental/model-recommendations',
  '/v1/images/generations',
  '/v1/images/edits',
]);
const NOT_SERVED_PREFIX = '/api/user/keys/';

const BLOBS = '/api/blobs/';
const MODELS = '/v1/models/';
const DIGEST = /^sha256[:-][0-9a-fA-F]{64}$/;
/** White space, control characters, dot segments and doubled slashes. */
const UNCLEAN = /[\s\p{Cc}]|(?:^|\/)\.{0,2}(?:\/|$)/u;
const modelPartBytesMax = 1024;

const byPath = new Map<string, Map<string, RouteMatch>>();
for (const route of ROUTES) {
  const methods = byPath.get(route.path) ?? new Map<string, RouteMatch>();
  methods.set(route.method, { route, params: Object.freeze({}) });
  byPath.set(route.path, methods);
}

/** `rawPath` is the request target up to `?` (a query is cut off here too). */
export function matchRoute(method: string, rawPath: string): RouteMatch | RouteError {
  const question = rawPath.indexOf('?');
  const path = question < 0 ? rawPath : rawPath.slice(0, question);
  const methods = path.includes(':') ? undefined : byPath.get(path);
  if (methods === undefined) return matchParam(method, path);
  return methods.get(method) ?? wrongMethod(path, [...methods.keys()]);
}

export function dialectOfPath(path: string): Dialect {
  if (!path.startsWith('/v1/')) return path.startsWith('/bigo/') ? 'bigo' : 'ollama';
  return /^\/v1\/messages(?:[/?]|$)/.test(path) ? 'anthropic' : 'openai';
}

function matchParam(method: string, path: string): RouteMatch | RouteError {
  if (path.startsWith(BLOBS)) return matchWith(method, { path, prefix: BLOBS, name: 'digest' });
  if (path.startsWith(MODELS)) return matchWith(method, { path, prefix: MODELS, name: 'model' });
  if (NOT_SERVED.has(path) || isKeyPath(path)) {
    return new RouteError('not_served', `The gateway does not offer ${path}.`, {
      dialect: dialectOfPath(path),
    });
  }
  return unknownPath(path);
}

interface ParamPath {
  readonly path: string;
  readonly prefix: string;
  readonly name: 'digest' | 'model';
}

function matchWith(method: string, at: ParamPath): RouteMatch | RouteError {
  const part = at.path.slice(at.prefix.length);
  const value = part === '' || part.includes('/') ? undefined : decodeOnce(part);
  if (value === undefined) return unknownPath(at.path);
  const methods = byPath.get(`${at.prefix}:${at.name}`);
  const match = methods?.get(method);
  if (match === undefined) return wrongMethod(at.path, [...(methods?.keys() ?? [])]);
  if (at.name === 'digest' && !DIGEST.test(value)) {
    const message = 'The digest must be `sha256:` and 64 hexadecimal digits.';
    return new RouteError('bad_request', message, { dialect: 'ollama' });
  }
  return {
    route: match.route,
    params: { [at.name]: at.name === 'digest' ? value.replace('-', ':') : value },
  };
}

/** Undefined for what could mean another path further on: bad escapes, control characters, dot segments. */
function decodeOnce(part: string): string | undefined {
  if (part.length > modelPartBytesMax) return undefined;
  let value = part;
  try {
    if (part.includes('%')) value = decodeURIComponent(part);
  } catch {
    return undefined;
  }
  return UNCLEAN.test(value) ? undefined : value;
}

function isKeyPath(path: string): boolean {
  return path.startsWith(NOT_SERVED_PREFIX) && path.length > NOT_SERVED_PREFIX.length;
}

function unknownPath(path: string): RouteError {
  const shown = path.slice(0, 100).replace(/[^\u0021-\u007e]/g, '?');
  return new RouteError('unknown_path', `There is no path ${shown} here.`, { dialect: dialectOfPath(path) });
}

function wrongMethod(path: string, allow: readonly string[]): RouteError {
  const shown = path.slice(0, 100);
  return new RouteError('wrong_method', `${shown} takes ${allow.join(' or ')}.`, {
    dialect: dialectOfPath(path),
    allow,
  });
}
