// What the model-changing routes share. Made once by routes.ts; holds no state of its own.
import { BigoError } from '../../api/errors.ts';
import { modelKey } from '../../api/names.ts';
import { storeName, storesOf, type Store, type Targets } from '../../fleet/stores.ts';
import type { Fleet, Log } from '../../fleet/types.ts';
import type { Clock } from '../../platform/clock.ts';
import type { StoreAnswer } from '../core/models/verdict.ts';
import { awayMessage, type Asker } from './asker.ts';
import type { BlobCourier } from './blobs.ts';
import type { RememberedChanges } from './remembered-changes.ts';
import type { Turns } from './turns.ts';
import type { Work } from './work.ts';

export interface ModelRoutesDeps {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Log;
  readonly instanceId: string;
  /** Backends that should have the model (by key); undefined = no rule. */
  readonly placement?: (key: string) => readonly string[] | undefined;
  /** Where changes for stores that are away outlive a restart. */
  readonly rememberedFile?: string;
}

export interface Kit {
  readonly deps: ModelRoutesDeps;
  readonly asker: Asker;
  readonly courier: BlobCourier;
  readonly remembered: RememberedChanges;
  readonly turns: Turns;
  /** Those that run, so that they can be ended. */
  readonly works: Set<Work>;
}

export function storesNow(kit: Kit): Store[] {
  return storesOf(kit.deps.fleet.snapshot());
}

export function keyOf(name: string): string {
  const key = modelKey(name);
  if (key === undefined) throw new BigoError('invalid_model_name', `"${name}" is not a model name.`);
  return key;
}

export function allOf(targets: Targets): Store[] {
  return [...targets.reachable, ...targets.unreachable];
}

/** The answer of a store that nobody could ask. */
export function away(store: Store): StoreAnswer {
  return { store: store.id, backend: storeName(store), result: { type: 'gone', message: awayMessage } };
}
