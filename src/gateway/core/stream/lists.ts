// Merges what the backends have into the lists that one Ollama server would show. Never asks a backend.
import { BigoError } from '../../../api/errors.ts';
import type { BackendView, FleetSnapshot, LoadedModel, ModelOnDisk } from '../../../api/fleet.ts';
import { modelKey, nearNames, parseModelName } from '../../../api/names.ts';

export type Aliases = Readonly<Record<string, string>>;
/** Keys of the models and aliases that the asker may use; undefined = all. Others are not even named. */
export type Allowed = ReadonlySet<string> | undefined;

export interface OpenAiModel {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: string;
}

/** GET /api/tags: newest first, then aliases under their own names. */
export function mergeTags(
  snapshot: FleetSnapshot,
  aliases: Aliases,
  allowed?: Allowed,
): { models: object[] } {
  const { models, aliased } = listed(snapshot, aliases, allowed);
  const entries: object[] = models.sort(newestFirst).map(model => model.raw);
  for (const [alias, model] of aliased) {
    entries.push({ ...model.raw, name: alias, model: alias });
  }
  return { models: entries };
}

/** GET /api/ps: one entry per model, the one that stays loaded longest. */
export function mergePs(snapshot: FleetSnapshot, allowed?: Allowed): { models: object[] } {
  const runners = new Map<string, LoadedModel[]>();
  for (const backend of usable(snapshot)) {
    for (const runner of backend.loaded) if (sees(allowed, runner.key)) pushTo(runners, runner.key, runner);
  }
  const merged = [...runners.values()].map(held => winner(held.sort(longestFirst))).sort(longestFirst);
  return { models: merged.map(runner => runner.raw) };
}

/** GET /v1/models. */
export function mergeOpenAiModels(
  snapshot: FleetSnapshot,
  aliases: Aliases,
  allowed?: Allowed,
): { object: 'list'; data: OpenAiModel[] } {
  const { models, aliased } = listed(snapshot, aliases, allowed);
  const data = models.sort(newestFirst).map(model => openAiModel(model.name, model));
  for (const [alias, model] of aliased) data.push(openAiModel(alias, model));
  return { object: 'list', data };
}

/** GET /v1/models/:model. */
export function openAiModelOf(
  snapshot: FleetSnapshot,
  { aliases, allowed, name }: { aliases: Aliases; allowed?: Allowed; name: string },
): OpenAiModel | BigoError {
  const { models, aliased } = listed(snapshot, aliases, allowed);
  const key = modelKey(name) ?? '';
  const model = models.find(each => each.key === key) ?? aliased.get(aliasNamed(aliases, name));
  if (model !== undefined) return openAiModel(name, model);
  const near = nearNames(name, [...models.map(each => each.key), ...aliased.keys()]);
  const hint = near.length === 0 ? '' : ` Did you mean ${near.join(' or ')}?`;
  return new BigoError(
    'model_not_found',
    `The model ${JSON.stringify(name.slice(0, 200))} is nowhere.${hint}`,
  );
}

interface Listed {
  readonly models: ModelOnDisk[];
  readonly aliased: Map<string, ModelOnDisk>;
}

/** An alias may be used by who may use it or its model (gateway/inference.ts resolves both). */
function listed(snapshot: FleetSnapshot, aliases: Aliases, allowed: Allowed): Listed {
  const models = mergedModels(snapshot);
  const aliased = aliasedModels(models, aliases);
  for (const [alias, model] of aliased) {
    if (!sees(allowed, modelKey(alias) ?? alias) && !sees(allowed, model.key)) aliased.delete(alias);
  }
  return { models: [...models.values()].filter(model => sees(allowed, model.key)), aliased };
}

function sees(allowed: Allowed, key: string): boolean {
  return allowed === undefined || allowed.has(key);
}

function usable(snapshot: FleetSnapshot): BackendView[] {
  return snapshot.backends.filter(backend => backend.state === 'up');
}

/** By key; where digests differ, the one that most backends have wins, then the newest. */
function mergedModels(snapshot: FleetSnapshot): Map<string, ModelOnDisk> {
  const holders = new Map<string, ModelOnDisk[]>();
  for (const backend of usable(snapshot)) {
    for (const [key, model] of backend.models) pushTo(holders, key, model);
  }
  const merged = new Map<string, ModelOnDisk>();
  for (const [key, models] of holders) merged.set(key, winner(models.sort(newestFirst)));
  return merged;
}

function winner<Held extends { readonly digest: string }>(held: readonly Held[]): Held {
  const counts = new Map<string, number>();
  for (const { digest } of held) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  return held.reduce((best, next) =>
    (counts.get(next.digest) ?? 0) > (counts.get(best.digest) ?? 0) ? next : best,
  );
}

function aliasedModels(models: ReadonlyMap<string, ModelOnDisk>, aliases: Aliases): Map<string, ModelOnDisk> {
  const aliased = new Map<string, ModelOnDisk>();
  for (const [alias, target] of Object.entries(aliases)) {
    const model = models.get(modelKey(target) ?? '');
    const hidesModel = models.has(modelKey(alias) ?? '');
    if (model !== undefined && !hidesModel) aliased.set(alias, model);
  }
  return aliased;
}

function aliasNamed(aliases: Aliases, name: string): string {
  const key = modelKey(name);
  return Object.keys(aliases).find(alias => modelKey(alias) === key) ?? '';
}

function openAiModel(id: string, model: ModelOnDisk): OpenAiModel {
  const created = Math.floor(Date.parse(model.modifiedAt) / 1000) || 0;
  const owner = parseModelName(model.name)?.namespace ?? 'library';
  return { id, object: 'model', created, owned_by: owner };
}

function newestFirst(a: ModelOnDisk, b: ModelOnDisk): number {
  return seconds(b.modifiedAt) - seconds(a.modifiedAt) || a.name.localeCompare(b.name);
}

function longestFirst(a: LoadedModel, b: LoadedModel): number {
  return seconds(b.expiresAt) - seconds(a.expiresAt) || a.name.localeCompare(b.name);
}

function seconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000) || 0;
}

function pushTo<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}
