// A backend as people write it: `URL[,name=N][,slots=S][,store=ID][,class=C]`, and the rules for its URL and names.
// Never opens a connection.
import type { BackendSpec } from './fleet.ts';

export const SLOTS_MAX = 256;
export const BACKEND_NAME = /^[A-Za-z0-9[][A-Za-z0-9._:[\]-]{0,259}$/;
export const NAME_RULE = 'must be letters, digits and . _ : - (it goes into headers, metrics and paths)';
export const SLOTS_RULE = `must be a whole number from 1 to ${SLOTS_MAX}`;

/** Canonical `http(s)://host:port` without trailing slash, or the sentence that says why not. */
export function parseBackendUrl(text: string): { readonly url: string } | { readonly problem: string } {
  const withScheme = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) return { problem: 'must be a URL such as http://127.0.0.1:11434' };
  const url = new URL(withScheme);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return { problem: 'must begin with http:// or https://' };
  if (url.username !== '' || url.password !== '') {
    return {
      problem: 'must not hold a user name or password; give `bearer` or `headers` in the configuration',
    };
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return { problem: 'must end after the port: BigO adds the paths itself' };
  }
  return { url: `${url.protocol}//${url.hostname}:${effectivePort(url, text)}` };
}

// As the ollama client reads OLLAMA_HOST: a bare host means 11434, a written scheme means that scheme's own port.
function effectivePort(url: URL, text: string): string {
  const written = url.port === '' ? /:(\d+)\/?$/.exec(text)?.[1] : url.port;
  if (written !== undefined) return written;
  if (!text.includes('://')) return '11434';
  return url.protocol === 'https:' ? '443' : '80';
}

/** Stable: it depends on the URL alone, not on what other backends there are. */
export function defaultBackendName(url: string): string {
  return url.replace(/^https?:\/\//, '');
}

export interface BackendFields {
  readonly name?: string;
  readonly slots?: number;
  readonly store?: string;
  readonly class?: string;
}

export function makeBackendSpec(url: string, fields: BackendFields): BackendSpec {
  const name = fields.name ?? defaultBackendName(url);
  return {
    name,
    url,
    store: fields.store ?? name,
    class: fields.class ?? 'default',
    ...(fields.slots === undefined ? {} : { slots: fields.slots }),
  };
}

const FIELD_NAMES = ['name', 'slots', 'store', 'class'] as const;

/** Reads one `--backend` value. */
export function parseBackendText(text: string): BackendSpec | { readonly problem: string } {
  const [address = '', ...rest] = text.split(',');
  const parsed = parseBackendUrl(address.trim());
  if ('problem' in parsed) return { problem: `the address "${address}" ${parsed.problem}` };
  const fields: Record<string, string> = {};
  for (const part of rest) {
    const [field = '', ...value] = part.split('=');
    const key = field.trim();
    if (!(FIELD_NAMES as readonly string[]).includes(key)) {
      return { problem: `"${key}" is not known; write ${FIELD_NAMES.map(name => `${name}=…`).join(', ')}` };
    }
    if (key in fields) return { problem: `"${key}" is given twice` };
    fields[key] = value.join('=').trim();
  }
  return fieldsToSpec(parsed.url, fields);
}

function fieldsToSpec(
  url: string,
  fields: Record<string, string>,
): BackendSpec | { readonly problem: string } {
  for (const key of ['name', 'store', 'class']) {
    const value = fields[key];
    if (value !== undefined && !BACKEND_NAME.test(value)) return { problem: `${key} ${NAME_RULE}` };
  }
  const { slots: slotsText, ...names } = fields;
  if (slotsText === undefined) return makeBackendSpec(url, names);
  const slots = /^\d{1,4}$/.test(slotsText) ? Number(slotsText) : 0;
  if (slots < 1 || slots > SLOTS_MAX) return { problem: `slots ${SLOTS_RULE}` };
  return makeBackendSpec(url, { ...names, slots });
}
