// Which model is where, and which should be: desired names beside what every backend has. Never asks anybody.
import { displayName, modelKey, parseModelName } from '../../api/names.ts';
import type { Fleet, FleetBackend } from './wire.ts';

export interface ModelPlace {
  readonly backend: string;
  readonly state: 'on disk' | 'loading' | 'loaded' | 'pulling' | 'failed';
  readonly digest: string;
  readonly inFlight: number;
  readonly slots: number;
  readonly sizeVramBytes: number;
  /** Of a pull that the pod's agent does. */
  readonly percent?: number;
  readonly message?: string;
}

export interface ModelRow {
  readonly name: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly desired: boolean;
  /** Of all loaded copies together, as the backends tell it. */
  readonly sizeVramBytes: number;
  readonly where: readonly ModelPlace[];
}

export interface MissingModel {
  readonly model: string;
  /** Backends that answer and lack it. */
  readonly backends: readonly string[];
}

export function modelRows(fleets: readonly Fleet[], desired: readonly string[]): ModelRow[] {
  const rows = new Map<string, ModelRow>();
  const wanted = new Set(desired.map(keyOf));
  for (const backend of fleets.flatMap(fleet => fleet.backends)) {
    for (const model of backend.models) {
      const key = keyOf(model.name);
      const place = placeOf(backend, key, model.digest);
      const { digest, sizeBytes } = model;
      const row = rows.get(key) ?? { ...emptyRow(model.name, wanted.has(key)), digest, sizeBytes };
      rows.set(key, {
        ...row,
        sizeVramBytes: row.sizeVramBytes + place.sizeVramBytes,
        where: [...row.where, place],
      });
    }
  }
  for (const name of desired) {
    if (!rows.has(keyOf(name))) rows.set(keyOf(name), emptyRow(fullName(name), true));
  }
  for (const backend of fleets.flatMap(fleet => fleet.backends)) {
    for (const model of backend.coming ?? []) {
      const key = keyOf(model.name);
      const row = rows.get(key) ?? emptyRow(fullName(model.name), wanted.has(key));
      const { state, percent, message } = model;
      const nothing = { digest: '', inFlight: 0, slots: 0, sizeVramBytes: 0 };
      const place = { backend: backend.name, state, percent, message, ...nothing };
      rows.set(key, { ...row, where: [...row.where, place] });
    }
  }
  return [...rows.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function emptyRow(name: string, desired: boolean): ModelRow {
  return { name, digest: '', sizeBytes: 0, desired, sizeVramBytes: 0, where: [] };
}

function placeOf(backend: FleetBackend, key: string, digest: string): ModelPlace {
  const loaded = backend.loaded.find(entry => keyOf(entry.name) === key);
  const place = backend.places.find(entry => keyOf(entry.model) === key);
  const isLoading = backend.load !== undefined && keyOf(backend.load.model) === key;
  return {
    backend: backend.name,
    state: isLoading ? 'loading' : loaded === undefined ? 'on disk' : 'loaded',
    digest,
    inFlight: place?.inFlight ?? 0,
    slots: place?.slots.value ?? 0,
    sizeVramBytes: loaded?.sizeVramBytes ?? 0,
  };
}

/** Desired and observed are two lists; what is on disk never makes a model desired. */
export function missingModels(fleets: readonly Fleet[], desired: readonly string[]): MissingModel[] {
  const backends = fleets.flatMap(fleet => fleet.backends).filter(backend => backend.state === 'up');
  return desired.flatMap(name => {
    const lacking = backends.filter(({ models }) => !models.some(model => keyOf(model.name) === keyOf(name)));
    const isNowhere = backends.length === 0;
    return lacking.length === 0 && !isNowhere
      ? []
      : [{ model: fullName(name), backends: lacking.map(backend => backend.name) }];
  });
}

function keyOf(name: string): string {
  return modelKey(name) ?? name;
}

function fullName(name: string): string {
  const parsed = parseModelName(name);
  return parsed === undefined ? name : displayName(parsed);
}
