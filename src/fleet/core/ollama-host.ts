// OLLAMA_HOST, read as Ollama reads it (envconfig/config.go, Host and ConnectableHost). Never fails: what is wrong falls back.

export interface OllamaHost {
  readonly scheme: string;
  readonly host: string;
  readonly port: string;
  /** Without its leading slash; '' = none. */
  readonly path: string;
}

export function parseOllamaHost(value: string): OllamaHost {
  const text = value
    .trim()
    .replace(/^["']+|["']+$/g, '')
    .trim();
  const cut = text.indexOf('://');
  const written = cut >= 0;
  const scheme = written ? text.slice(0, cut) : text === 'ollama.com' ? 'https' : 'http';
  const rest = !written && text === 'ollama.com' ? 'ollama.com:443' : written ? text.slice(cut + 3) : text;
  const slash = rest.indexOf('/');
  const address = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? '' : rest.slice(slash + 1);
  const defaultPort = written && scheme === 'http' ? '80' : written && scheme === 'https' ? '443' : '11434';
  const { host, port } = splitHostPort(address) ?? { host: bareHost(address), port: defaultPort };
  return { scheme, host, port: isPort(port) ? port : defaultPort, path };
}

/** The URL that a client connects to: an address that means "all interfaces" becomes loopback. */
export function connectUrl({ scheme, host, port }: OllamaHost): string {
  const reachable =
    host === '' || host === '0.0.0.0' ? '127.0.0.1' : /^(::|0(:0){7})$/.test(host) ? '::1' : host;
  return `${scheme}://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

// Go's net.SplitHostPort; undefined where that is an error.
function splitHostPort(text: string): { host: string; port: string } | undefined {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return undefined;
  const port = text.slice(colon + 1);
  const bracketed = /^\[([^[\]]*)\]:[^[\]:]*$/.exec(text);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port };
  const host = text.slice(0, colon);
  return /[:[\]]/.test(host) || /[[\]]/.test(port) ? undefined : { host, port };
}

function bareHost(address: string): string {
  return address === '' ? '127.0.0.1' : address.replace(/^[[\]]+|[[\]]+$/g, '');
}

function isPort(port: string): boolean {
  return /^\d{1,10}$/.test(port) && Number(port) <= 65_535;
}
