// Which models the fleet knows, in the forms the request path asks for. Rebuilt only when a snapshot changes models; never asks a backend.
import type { FleetSnapshot, LoadedModel, ModelOnDisk } from '../api/fleet.ts';
import { BigoError } from '../api/errors.ts';
import { modelKey, nearNames } from '../api/names.ts';
import type { GatewaySettings } from '../api/settings.ts';

const labelsMax = 500;

export class ModelIndex {
  private snapshot: FleetSnapshot | undefined;
  private byKey = new Map<string, ModelOnDisk>();
  private aliasOf = new Map<string, string>();
  private declared = new Set<string>();
  private onlyOf = new Map<string, readonly string[]>();
  /** Metric labels, so that one that was given stays given. */
  private readonly labels = new Map<string, string>();

  useSettings(settings: GatewaySettings): void {
    this.aliasOf = new Map(
      Object.entries(settings.aliases).map(([alias, model]) => [
        modelKey(alias) ?? alias.toLowerCase(),
        model,
      ]),
    );
    this.declared = new Set(settings.declaredModels.map(name => modelKey(name) ?? name));
    this.onlyOf = new Map(settings.routing.map(rule => [modelKey(rule.model) ?? rule.model, rule.backends]));
  }

  useSnapshot(snapshot: FleetSnapshot): void {
    this.snapshot = snapshot;
    this.byKey = new Map(
      snapshot.backends.flatMap(backend => (backend.state === 'loop' ? [] : [...backend.models])),
    );
  }

  /** The model an alias stands for, as the configuration spells it. */
  aliased(key: string): string | undefined {
    return this.aliasOf.get(key);
  }

  isKnown(key: string): boolean {
    return this.byKey.has(key) || this.declared.has(key);
  }

  isDeclared(key: string): boolean {
    return this.declared.has(key);
  }

  only(key: string): readonly string[] | undefined {
    return this.onlyOf.get(key);
  }

  /** What may be asked for: an alias of a model that is nowhere helps nobody. */
  get names(): string[] {
    const aliases = [...this.aliasOf].filter(([, model]) => this.isKnown(modelKey(model) ?? model));
    return [...[...this.byKey.values()].map(model => model.name), ...aliases.map(([alias]) => alias)];
  }

  /** Where the model is loaded now, by manifest digest, since one runner may serve several names. */
  loadedOn(key: string): { backend: string; loaded: LoadedModel }[] {
    const found: { backend: string; loaded: LoadedModel }[] = [];
    for (const backend of this.snapshot?.backends ?? []) {
      const digest = backend.models.get(key)?.digest;
      const loaded = backend.loaded.find(
        one => one.key === key || (digest !== undefined && one.digest === digest),
      );
      if (loaded !== undefined && backend.state === 'up') found.push({ backend: backend.spec.name, loaded });
    }
    return found;
  }

  /** A bounded metric label: only names that the fleet knows or knew. */
  label(key: string): string {
    const given = this.labels.get(key);
    if (given !== undefined) return given;
    if (!this.isKnown(key) || this.labels.size >= labelsMax) return 'other';
    this.labels.set(key, key);
    return key;
  }
}

/** `allowed` as in the identity: who may use some models only gets no hint at others. */
export function modelNotFound(models: ModelIndex, name: string, allowed?: ReadonlySet<string>): BigoError {
  const names = models.names.filter(each => allowed === undefined || allowed.has(modelKey(each) ?? each));
  const near = nearNames(name, names);
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
  const target = models.aliased(modelKey(name) ?? name);
  const meant = target === undefined ? '' : ` (an alias of ${target})`;
  // Clients look for Ollama's own words here: model '…' not found.
  return new BigoError('model_not_found', `model '${name}' not found${meant}${hint}`);
}
