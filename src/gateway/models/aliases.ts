// Aliases in requests that change models: what is read goes to the model they stand for, nothing is ever made under an alias.
// Never deletes the model behind one: who deletes an alias means the name.
import { BigoError } from '../../api/errors.ts';
import { modelKey } from '../../api/names.ts';
import { applyEdits } from '../core/request/edits.ts';
import type { Edit, ModelChange, Route, Span } from '../core/request/types.ts';
import type { ModelIndex } from '../models-known.ts';

export interface ReadChange {
  readonly change: ModelChange;
  readonly body: Uint8Array;
}

export type KnownModels = Pick<ModelIndex, 'aliased' | 'isKnown'>;

export function withoutAliases(models: KnownModels, route: Route, { change, body }: ReadChange): ReadChange {
  const made = madeBy(route, change);
  if (made !== undefined) refuseAlias(models, made);
  if (route.id === 'delete') refuseAliasOnly(models, change.model);
  const edits: Edit[] = [];
  const real = (name: string, span: Span): string => {
    const target = models.aliased(modelKey(name) ?? name);
    if (target === undefined) return name;
    edits.push({ span, text: JSON.stringify(target) });
    return target;
  };
  const reads = route.id === 'pull' || route.id === 'push' || route.id === 'copy';
  const model = reads ? real(change.model, change.modelSpan) : change.model;
  const { from, fromSpan } = change;
  const base = from === undefined || fromSpan === undefined ? from : real(from, fromSpan);
  return {
    change: { ...change, model, ...(base !== undefined && { from: base }) },
    body: applyEdits(body, edits),
  };
}

function madeBy(route: Route, change: ModelChange): string | undefined {
  if (route.id === 'copy') return change.destination;
  return route.id === 'create' ? change.model : undefined;
}

/** A model under this name could never be reached: the alias hides it. */
function refuseAlias(models: KnownModels, name: string): void {
  const target = models.aliased(modelKey(name) ?? name);
  if (target === undefined) return;
  throw new BigoError('bad_request', `${name} is an alias of ${target} here: choose another name.`);
}

/** A model that an alias hides may still be deleted. */
function refuseAliasOnly(models: KnownModels, name: string): void {
  const key = modelKey(name) ?? name;
  const target = models.aliased(key);
  if (target === undefined || models.isKnown(key)) return;
  const message = `${name} is an alias of ${target}: take it out of the configuration, or delete ${target}.`;
  throw new BigoError('bad_request', message);
}
