// Finds the route of a method and a path, and says 404 or 405 as Ollama does. Never serves anything.

export interface RoutePattern {
  readonly method: string;
  readonly path: string;
}

export type Found<R> =
  | { readonly kind: 'route'; readonly route: R; readonly parameter: string }
  | { readonly kind: 'wrong_method'; readonly allow: string }
  | { readonly kind: 'unknown' };

export function findRoute<R extends RoutePattern>(
  routes: readonly R[],
  method: string,
  path: string,
): Found<R> {
  const matches = routes
    .map(route => ({ route, parameter: parameterOf(route.path, path) }))
    .filter(match => match.parameter !== undefined);
  const match = matches.find(candidate => candidate.route.method === method);
  if (match !== undefined) return { kind: 'route', route: match.route, parameter: match.parameter ?? '' };
  if (matches.length === 0) return { kind: 'unknown' };
  return { kind: 'wrong_method', allow: matches.map(candidate => candidate.route.method).join(', ') };
}

/** '' for a path without a parameter, undefined when it does not match. */
function parameterOf(pattern: string, path: string): string | undefined {
  const at = pattern.search(/[:*]\w+$/);
  if (at < 0) return pattern === path ? '' : undefined;
  if (!path.startsWith(pattern.slice(0, at)) || path.length === at) return undefined;
  const rest = decoded(path.slice(at));
  return pattern[at] === ':' && rest?.includes('/') ? undefined : rest;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const LOCAL_ORIGIN =
  /^(https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(:\d+)?|(app|file|tauri|vscode-\w+):\/\/.*)$/i;

/** Browsers may call from this machine only (ollama envconfig AllowedOrigins). */
export function originAllowed(origin: string | undefined): boolean {
  return origin === undefined || LOCAL_ORIGIN.test(origin);
}

/** A server on loopback answers to local names only, or any web page could reach it by its own DNS name. */
export function hostAllowed(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (name === '' || name === 'localhost' || /\.(localhost|local|internal)$/.test(name)) return true;
  return /^(\d+\.){3}\d+$/.test(name) || /^\[[0-9a-f:.]+\]$/.test(name);
}
