// The overview's grid: one row per model, one cell per backend. Pure, so that it can be made anew with every event.
import type { Backend, Pull } from './types.ts';

export type CellState = 'absent' | 'disk' | 'pulling' | 'loading' | 'loaded' | 'away';

export interface Cell {
  backend: string;
  state: CellState;
  busy: number;
  slots: number;
  percent: number;
  words: string;
}
export interface GridRow {
  model: string;
  cells: Cell[];
  loaded: number;
}

/** Models that are loaded first, then by name. */
export function gridRows(backends: Backend[], pulls: Pull[]): GridRow[] {
  const running = new Map(
    pulls.filter(pull => pull.status === 'running').map(pull => [fullName(pull.model), pull]),
  );
  const names = new Set<string>([...running.keys()]);
  const lookups = backends.map(backend => lookupOf(backend));
  for (const backend of backends) for (const { name } of backend.models) names.add(name);
  const rows = [...names].map(model => {
    const cells = lookups.map(lookup => cellOf(model, lookup, running.get(model)));
    return { model, cells, loaded: cells.filter(cell => cell.state === 'loaded').length };
  });
  return rows.sort((a, b) => Number(b.loaded > 0) - Number(a.loaded > 0) || (a.model < b.model ? -1 : 1));
}

interface Lookup {
  backend: Backend;
  disk: Set<string>;
  loaded: Set<string>;
  places: Map<string, Backend['places'][number]>;
}

function lookupOf(backend: Backend): Lookup {
  return {
    backend,
    disk: new Set(backend.models.map(model => model.name)),
    loaded: new Set(backend.loaded.map(model => model.name)),
    places: new Map(backend.places.map(place => [fullName(place.model), place])),
  };
}

function cellOf(model: string, { backend, disk, loaded, places }: Lookup, pull: Pull | undefined): Cell {
  const place = places.get(model);
  const cell = {
    backend: backend.name,
    busy: place?.inFlight ?? 0,
    slots: place?.slots.value ?? 1,
    percent: 0,
  };
  if (backend.state !== 'up') return { ...cell, state: 'away', words: `${backend.name} does not answer` };
  if (backend.load !== undefined && fullName(backend.load.model) === model) {
    return { ...cell, state: 'loading', words: `loading on ${backend.name}` };
  }
  if (loaded.has(model)) {
    const words = `loaded on ${backend.name}, ${cell.busy} of ${cell.slots} slots busy`;
    return { ...cell, state: 'loaded', words };
  }
  if (disk.has(model)) return { ...cell, state: 'disk', words: `on the disk of ${backend.name}` };
  if (pull !== undefined) {
    return { ...cell, state: 'pulling', percent: pull.progress, words: `being pulled, ${pull.progress} %` };
  }
  return { ...cell, state: 'absent', words: `not on ${backend.name}` };
}

function fullName(name: string): string {
  return name.lastIndexOf(':') > name.lastIndexOf('/') ? name : `${name}:latest`;
}
