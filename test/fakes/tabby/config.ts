// What Tabby accepts as its configuration, and what it refuses. The real program's rules, with where they stand in TabbyML/tabby.
// Never guesses: what the real one would download, or take from a default, is an error here.

export interface ModelSettings {
  readonly kind: string;
  readonly endpoint: string;
  readonly model: string;
  readonly key: string | undefined;
  readonly template: string | undefined;
}

export interface TabbyConfig {
  readonly completion: ModelSettings;
  readonly chat: ModelSettings;
  readonly embedding: ModelSettings;
}

export class ConfigError extends Error {}

/** crates/http-api-bindings/src/{completion,chat,embedding}/mod.rs: any other kind is a panic. */
const kinds = {
  completion: ['ollama/completion', 'openai/completion', 'openai/legacy_completion', 'vllm/completion'],
  chat: ['openai/chat', 'mistral/chat'],
  embedding: ['ollama/embedding', 'openai/embedding', 'llama.cpp/embedding'],
} as const;
const fields = ['kind', 'api_endpoint', 'api_key', 'model_name', 'prompt_template'];

/** `[model.completion.http]` and the like: crates/tabby-common/src/config.rs, HttpModelConfig. */
export function readConfig(text: string): TabbyConfig {
  const sections = sectionsOf(text);
  const read = (use: keyof typeof kinds): ModelSettings => settings(use, sections);
  return { completion: read('completion'), chat: read('chat'), embedding: read('embedding') };
}

/** As much of TOML as a configuration of sections with strings needs; anything else is an error. */
function sectionsOf(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  for (const line of text.split('\n').map(one => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const head = /^\[([a-z._]+)\]$/.exec(line)?.[1];
    if (head !== undefined) sections.set(head, (section = new Map()));
    else {
      const [, key = '', value = ''] = /^([a-z_]+) = ("(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
      if (key === '') throw new ConfigError(`not TOML: ${line.replace(/".*/, '…')}`);
      section.set(key, JSON.parse(value) as string);
    }
  }
  return sections;
}

function settings(
  use: keyof typeof kinds,
  sections: ReadonlyMap<string, ReadonlyMap<string, string>>,
): ModelSettings {
  const name = `model.${use}.http`;
  const section = sections.get(name);
  // Absent, the embedding is a model that it downloads, and the other two are switched off.
  if (section === undefined) throw new ConfigError(`[${name}] is missing`);
  const strange = [...section.keys()].find(key => !fields.includes(key));
  if (strange !== undefined) throw new ConfigError(`[${name}] knows no ${strange}`);
  const must = (field: string): string => {
    const value = section.get(field);
    if (value === undefined || value === '') throw new ConfigError(`[${name}] lacks ${field}`);
    return value;
  };
  const found = {
    kind: must('kind'),
    endpoint: must('api_endpoint'),
    model: must('model_name'),
    key: section.get('api_key'),
    template: section.get('prompt_template'),
  };
  check(use, found);
  return found;
}

function check(use: keyof typeof kinds, { kind, endpoint, key, template }: ModelSettings): void {
  if (!(kinds[use] as readonly string[]).includes(kind))
    throw new ConfigError(`Unsupported model kind: ${kind}`);
  const { pathname } = new URL(endpoint);
  const isOllama = kind.startsWith('ollama/');
  // It adds /api/generate to the one, /chat/completions and the like to the other.
  if (pathname !== (isOllama ? '/' : '/v1')) throw new ConfigError(`${kind} cannot call ${endpoint}`);
  // crates/ollama-api-bindings: the connection is made of the address alone.
  if (isOllama && key !== undefined) throw new ConfigError(`${kind} would not send the key`);
  // crates/tabby/src/services/completion.rs: without it there is a panic; of OpenAI's kinds it is not read.
  const wantsTemplate = use === 'completion' && (isOllama || kind === 'vllm/completion');
  if (wantsTemplate && !/\{prefix\}.*\{suffix\}|\{suffix\}.*\{prefix\}/.test(template ?? ''))
    throw new ConfigError(`${kind} needs a prompt_template with {prefix} and {suffix}`);
}
