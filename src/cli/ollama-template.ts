// A model made of a bare GGUF file has no prompt template for Ollama; Ollama finds it in the file when the model is created from it.
// Never changes anything else of a model, and never copies weights: the file is in the store already.
import type { BackendSpec } from '../api/fleet.ts';
import type { HttpClient } from '../platform/http.ts';

const bytesMax = 16 * 1024 * 1024;
const showMsMax = 10_000;
const createMsMax = 120_000;
const BARE_TEMPLATE = '{{ .Prompt }}';

export async function giveTemplate(http: HttpClient, backend: BackendSpec, model: string): Promise<void> {
  const show = await http.ask(backend, {
    method: 'POST',
    path: '/api/show',
    body: JSON.stringify({ model }),
    bytesMax,
    timeMsMax: showMsMax,
  });
  const { template, modelfile, system, parameters } = JSON.parse(show.body.toString('utf8')) as Shown;
  const digest = /^FROM .*sha256-([0-9a-f]{64})$/m.exec(modelfile ?? '')?.[1];
  if (template !== BARE_TEMPLATE || digest === undefined) return;
  const files = { 'model.gguf': `sha256:${digest}` };
  const kept = { system: system ?? '', parameters: readParameters(parameters ?? '') };
  const create = await http.ask(backend, {
    method: 'POST',
    path: '/api/create',
    body: JSON.stringify({ model, files, ...kept, stream: false }),
    bytesMax,
    timeMsMax: createMsMax,
  });
  if (create.status !== 200)
    throw new Error(`${backend.name}: ${create.body.toString('utf8').slice(0, 200)}`);
}

interface Shown {
  readonly template?: string;
  readonly modelfile?: string;
  readonly system?: string;
  /** A line `name value` per parameter; `stop` may come several times. */
  readonly parameters?: string;
}

function readParameters(text: string): Record<string, unknown> {
  const parameters: Record<string, unknown> = {};
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^(\S+)\s+(.+?)\s*$/.exec(line) ?? [];
    if (name === undefined) continue;
    if (name !== 'stop') parameters[name] = readValue(value);
    else parameters[name] = [...((parameters[name] as unknown[] | undefined) ?? []), readValue(value)];
  }
  return parameters;
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
