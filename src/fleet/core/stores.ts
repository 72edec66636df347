// Stores: models folders that one or more backends share. What changes models happens once per store, through its writer.
// Never decides which model a store should have.
import type { BackendView, FleetSnapshot } from '../../api/fleet.ts';

export interface Store {
  readonly id: string;
  /** In the order of the configuration; never a loop. */
  readonly backends: readonly BackendView[];
  /** The first usable one by name that may write, a draining one only if there is no other; undefined = the store cannot be reached. */
  readonly writer: BackendView | undefined;
  /** Its models were read at least once. */
  readonly known: boolean;
}

/** In the order of the configuration. A backend that is this gateway itself belongs to no store. */
export function storesOf(snapshot: FleetSnapshot): Store[] {
  const groups = new Map<string, BackendView[]>();
  for (const backend of snapshot.backends) {
    if (backend.state === 'loop') continue;
    const group = groups.get(backend.spec.store);
    if (group === undefined) groups.set(backend.spec.store, [backend]);
    else group.push(backend);
  }
  return [...groups].map(([id, backends]) => ({
    id,
    backends,
    writer: writerOf(backends),
    known: backends.some(backend => backend.polledAtMs !== undefined),
  }));
}

function writerOf(backends: readonly BackendView[]): BackendView | undefined {
  const usable = backends
    .filter(backend => backend.state === 'up' && backend.spec.access !== 'read')
    .toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  return usable.find(backend => !backend.draining) ?? usable[0];
}

export function holdsModel(store: Store, key: string): boolean {
  return store.backends.some(backend => backend.models.has(key));
}

export interface Targets {
  /** They can be told to change something now. */
  readonly reachable: readonly Store[];
  /** They are concerned too, and do not answer. */
  readonly unreachable: readonly Store[];
}

/** All who hold the model; a store whose models nobody ever read may hold it. */
export function holdersOf(stores: readonly Store[], key: string): Targets {
  return divide(
    stores.filter(store => holdsModel(store, key) || (store.writer === undefined && !store.known)),
  );
}

/** The stores of the named backends; without names, all. */
export function storesWith(stores: readonly Store[], backendNames: readonly string[] | undefined): Targets {
  if (backendNames === undefined) return divide(stores);
  return divide(stores.filter(store => store.backends.some(({ spec }) => backendNames.includes(spec.name))));
}

function divide(stores: readonly Store[]): Targets {
  return {
    reachable: stores.filter(store => store.writer !== undefined),
    unreachable: stores.filter(store => store.writer === undefined),
  };
}

/** What people read: the backend that is asked, or all that do not answer. */
export function storeName(store: Store): string {
  return store.writer?.spec.name ?? store.backends.map(backend => backend.spec.name).join(' and ');
}
