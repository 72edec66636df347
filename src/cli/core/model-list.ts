// The lists of /api/tags and /api/ps as far as commands read them. Never trusts a field to be there.
import { modelKey } from '../../api/names.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface ListedModel {
  readonly name: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly modifiedAt: string;
  readonly capabilities: readonly string[];
}

export function readModels(body: JsonObject): ListedModel[] {
  const models = Array.isArray(body.models) ? (body.models as unknown[]) : [];
  return models
    .filter((model): model is JsonObject => typeof model === 'object' && model !== null)
    .map(model => ({
      name: textOf(model.name) || textOf(model.model),
      digest: textOf(model.digest).replace(/^sha256:/, ''),
      sizeBytes: typeof model.size === 'number' ? model.size : 0,
      modifiedAt: textOf(model.modified_at),
      capabilities: Array.isArray(model.capabilities) ? model.capabilities.map(String) : [],
    }))
    .filter(model => model.name !== '');
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** By the rules of model names: `mistral` finds `mistral:latest`, in any case. */
export function findModel(models: readonly ListedModel[], wanted: string): ListedModel | undefined {
  const key = modelKey(wanted);
  return key === undefined ? undefined : models.find(model => modelKey(model.name) === key);
}

/** What `run` and `chat` take when nobody names a model: the alias `default`, else the first that can write text. */
export function defaultModel(models: readonly ListedModel[]): string | undefined {
  const writers = models.filter(
    model => model.capabilities.length === 0 || model.capabilities.includes('completion'),
  );
  return (findModel(models, 'default') ?? writers[0])?.name;
}
