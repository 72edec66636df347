// Who may call from a browser: the Host that was asked for and the Origin of the page. Never looks at credentials.
import { BigoError } from './errors.ts';

const HOST = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?))(?::\d{1,5})?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
/** A name that ends at the root of DNS, as pods write it who want no search list tried: `chat-ollama.ml.svc.cluster.local.` */
const ROOTED = /(^|\.)([a-z_][a-z0-9_-]*)\.(?=:\d{1,5}$|$)/;
/** Names that no public DNS serves (ollama server/routes.go, allowedHost). */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal'];

/**
 * Refuses names that a foreign page could have pointed at this machine (DNS rebinding); an address cannot be pointed.
 * `machineName` is the name of this machine; `allowed` the configured names, `*` for any.
 */
export function checkHost(
  host: string | undefined,
  allowed: readonly string[],
  machineName = '',
): BigoError | undefined {
  if (host === undefined || host === '' || allowed.includes('*')) return undefined;
  const lower = host.toLowerCase().replace(ROOTED, '$1$2');
  const match = HOST.exec(lower);
  if (match === null)
    return new BigoError('forbidden_host', 'The Host header is not a host name or address.');
  const name = match[2] ?? '';
  const known =
    match[1] !== undefined ||
    name === 'localhost' ||
    IPV4.test(name) ||
    name === machineName.toLowerCase() ||
    LOCAL_SUFFIXES.some(suffix => name.endsWith(suffix)) ||
    allowed.some(entry => sameHost(entry.toLowerCase(), lower, name));
  if (known) return undefined;
  return new BigoError('forbidden_host', `The host name ${name} is not one of this gateway's.`);
}

/** A configured name holds for every port, with `*.` in front for every name under it. */
function sameHost(entry: string, host: string, name: string): boolean {
  if (entry.startsWith('*.')) return name.endsWith(entry.slice(1));
  return entry === name || entry === host;
}

/** Ollama's own defaults (envconfig AllowedOrigins), and ::1 beside them. */
const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d{1,5})?$/;
/** Schemes of desktop programs and browser extensions, which no web page has. */
const PROGRAM_ORIGIN =
  /^(?:app|file|tauri|vscode-webview|vscode-file|chrome-extension|safari-extension|moz-extension|ms-browser-extension):\/\//;

/** `host` is the Host header, checked before: a page of the gateway itself may always call it. */
export function checkOrigin(
  origin: string | undefined,
  allowed: readonly string[],
  host = '',
): BigoError | undefined {
  if (origin === undefined || origin === '') return undefined;
  const lower = origin.toLowerCase();
  const same =
    host !== '' && (lower === `http://${host.toLowerCase()}` || lower === `https://${host.toLowerCase()}`);
  if (same || LOCAL_ORIGIN.test(lower) || PROGRAM_ORIGIN.test(lower)) return undefined;
  if (allowed.some(pattern => matches(pattern.toLowerCase(), lower))) return undefined;
  const shown = origin.slice(0, 100).replace(/[^\u0021-\u007e]/g, '?');
  return new BigoError('forbidden_origin', `Pages of ${shown} may not call this gateway.`);
}

/** One `*` stands for any text, as in OLLAMA_ORIGINS. */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}
