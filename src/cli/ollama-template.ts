// A model made of a bare GGUF file has no prompt template for Ollama; Ollama finds it in the file when the model is created from it.
// Never changes a model that has a template, and never copies weights: the file is in the store already.
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
  const { template, modelfile } = JSON.parse(show.body.toString('utf8')) as {
    template?: unknown;
    modelfile?: unknown;
  };
  const digest = /^FROM .*sha256-([0-9a-f]{64})$/m.exec(String(modelfile))?.[1];
  if (template !== BARE_TEMPLATE || digest === undefined) return;
  const create = await http.ask(backend, {
    method: 'POST',
    path: '/api/create',
    body: JSON.stringify({ model, files: { 'model.gguf': `sha256:${digest}` }, stream: false }),
    bytesMax,
    timeMsMax: createMsMax,
  });
  if (create.status !== 200)
    throw new Error(`${backend.name}: ${create.body.toString('utf8').slice(0, 200)}`);
}
