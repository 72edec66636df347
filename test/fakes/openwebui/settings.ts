// What OpenWebUI reads from its environment, and what would leave it without models, data or sessions.
// The names and defaults are those of backend/open_webui/env.py and config.py of open-webui/open-webui. Never reaches out.

export interface Settings {
  readonly api: 'ollama' | 'openai';
  readonly base: string;
  readonly key: string | undefined;
  readonly secretKey: string;
  readonly dataDir: string;
  readonly staticDir: string;
  readonly port: number;
}

export class ConfigError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

export function settingsOf(environment: Environment): Settings {
  const dataDir = environment['DATA_DIR'] ?? '/app/backend/data';
  return {
    ...connection(environment),
    secretKey: secretKey(environment),
    dataDir,
    staticDir: environment['STATIC_DIR'] ?? '/app/backend/open_webui/static',
    port: port(environment),
  };
}

/** Without one, backend/start.sh makes one beside the program: the next pod has another, and all are signed out. */
function secretKey(environment: Environment): string {
  const key = environment['WEBUI_SECRET_KEY'] ?? '';
  if (key === '') throw new ConfigError('WEBUI_SECRET_KEY is not set');
  if (key === 't0p-s3cr3t') throw new ConfigError('WEBUI_SECRET_KEY is what everybody knows');
  return key;
}

/** A Service named `open-webui` would give every pod a variable such as PORT=tcp://… */
function port(environment: Environment): number {
  const text = environment['PORT'] ?? '8080';
  if (!/^\d+$/.test(text)) throw new ConfigError(`PORT is no number: ${text}`);
  return Number(text);
}

function connection(environment: Environment): Pick<Settings, 'api' | 'base' | 'key'> {
  const isOn = (name: string): boolean => (environment[name] ?? 'True').toLowerCase() === 'true';
  const ollama = isOn('ENABLE_OLLAMA_API');
  const openai = isOn('ENABLE_OPENAI_API');
  // Both lead to the same fleet: each model would be listed twice.
  if (ollama === openai) throw new ConfigError('one of the two APIs is to be enabled');
  if (ollama) {
    const base = one(environment, 'OLLAMA_BASE_URL', 'OLLAMA_BASE_URLS').replace(/\/$/, '');
    // It adds /api/tags and the like itself.
    if (new URL(base).pathname !== '/') throw new ConfigError(`OLLAMA_BASE_URL has a path: ${base}`);
    return { api: 'ollama', base, key: undefined };
  }
  const base = one(environment, 'OPENAI_API_BASE_URL', 'OPENAI_API_BASE_URLS');
  if (new URL(base).pathname !== '/v1')
    throw new ConfigError(`OPENAI_API_BASE_URL must end with /v1: ${base}`);
  return { api: 'openai', base, key: one(environment, 'OPENAI_API_KEY', 'OPENAI_API_KEYS') };
}

/** The plural wins and is a list; with several addresses it loses sight of which holds a model. */
function one(environment: Environment, single: string, several: string): string {
  const many = environment[several] ?? '';
  const text = many === '' ? (environment[single] ?? '') : many;
  if (text === '') throw new ConfigError(`${single} is not set`);
  if (text.includes(';')) throw new ConfigError(`${several} names several`);
  return text;
}
