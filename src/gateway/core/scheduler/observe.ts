// Takes a new fleet snapshot into the state: backends that came and went, runners that appeared or vanished.
// Never believes a poll that is older than what the scheduler did itself.
import type {
  BackendView,
  FleetSnapshot,
  LoadedModel,
  ModelOnDisk,
  ReloadOptions,
} from '../../../api/fleet.ts';
import { closedBreaker, onSuccess } from './breaker.ts';
import { sawTogether, sawVanish, unknownCapacity } from './capacity.ts';
import { Bounded } from './learn.ts';
import { evenPace } from './pace.ts';
import { newPlace, reopen, setState } from './loading.ts';
import type { Backend, Place, State } from './state.ts';
import { runnerKey } from './state.ts';
import { versionNumber } from './usable.ts';

/** A runner that vanished this soon after another was loaded gave way to it: the two do not fit together. */
const vanishAfterLoadMsMax = 15_000;
const troublesPerBackendMax = 512;

export function observeFleet(state: State, snapshot: FleetSnapshot, nowMs: number): void {
  state.snapshot = snapshot;
  const names = new Set(snapshot.backends.map(view => view.spec.name));
  for (const name of state.backends.keys()) if (!names.has(name)) state.backends.delete(name);
  for (const view of snapshot.backends) {
    const backend = state.backends.get(view.spec.name);
    if (backend === undefined) state.backends.set(view.spec.name, newBackend(view));
    else if (backend.view !== view) updateView(backend, view, nowMs);
    const known = state.backends.get(view.spec.name);
    if (known !== undefined && view.state === 'up') reconcilePlaces(state, known, nowMs);
  }
}

function newBackend(view: BackendView): Backend {
  return {
    name: view.spec.name,
    view,
    versionNumber: versionNumber(view.version),
    places: new Map(),
    load: undefined,
    breaker: closedBreaker(),
    modelBreakers: new Bounded(troublesPerBackendMax),
    capacity: unknownCapacity(),
    pace: evenPace(),
    learnedSlots: new Bounded(troublesPerBackendMax),
    unloadedMs: new Bounded(troublesPerBackendMax),
    slotless: new Set(),
  };
}

function updateView(backend: Backend, view: BackendView, nowMs: number): void {
  const wentDown = backend.view.state === 'up' && view.state !== 'up';
  const moved = backend.view.spec.url !== view.spec.url;
  backend.view = view;
  backend.versionNumber = versionNumber(view.version);
  if (wentDown || moved) forgetRunners(backend, nowMs);
}

/** Its process is gone, and with it every runner and what was learned of its settings. */
function forgetRunners(backend: Backend, nowMs: number): void {
  for (const [key, place] of backend.places) {
    if (place.state === 'loading') continue;
    backend.places.delete(key);
  }
  for (const [weights] of [...backend.learnedSlots.entries()]) backend.learnedSlots.delete(weights);
  backend.capacity = unknownCapacity();
  backend.pace = evenPace();
  onSuccess(backend.breaker);
  if (backend.load?.phase === 'clear') {
    reopen(backend, backend.load, nowMs);
    backend.load = undefined;
  }
}

function reconcilePlaces(state: State, backend: Backend, nowMs: number): void {
  const { view } = backend;
  if (view.polledAtMs === undefined) return;
  const seen = new Map<string, LoadedModel>();
  for (const loaded of view.loaded) {
    const key = keyOfLoaded(backend, loaded);
    if (key !== undefined) seen.set(key, loaded);
  }
  for (const [key, place] of backend.places) {
    if (seen.has(key)) stillThere(backend, place, nowMs);
    else if (place.provenMs < view.polledAtMs) vanished(backend, place, nowMs);
  }
  for (const [key, loaded] of seen) {
    if (!backend.places.has(key)) appeared(state, backend, key, { loaded, nowMs });
  }
  learnFit(backend, seen);
}

/** Shown by the poll. A runner that was missing while requests were on it was loaded again for them by Ollama. */
function stillThere(backend: Backend, place: Place, nowMs: number): void {
  place.provenMs = Math.max(place.provenMs, backend.view.polledAtMs ?? 0);
  const givesWay = backend.load?.victims.includes(place.key) === true;
  if (place.state === 'closing' && !givesWay) setState(place, 'ready', nowMs);
}

/** Only what stands ready is judged: a load's own answer decides about a loading place, an unload's about a leaving one. */
function vanished(backend: Backend, place: Place, nowMs: number): void {
  if (place.state === 'ready') learnTooMuch(backend, place);
  else if (place.state !== 'closing') return;
  // Requests on it wait inside Ollama for a load of its own: no more are sent after them.
  if (place.running.size > 0) setState(place, 'closing', nowMs);
  else backend.places.delete(place.key);
}

/** It went right after another was loaded: the two do not fit together. */
function learnTooMuch(backend: Backend, place: Place): void {
  const newcomer = [...backend.places.values()].find(
    other =>
      other !== place && other.state === 'ready' && other.sinceMs > place.sinceMs && isRecent(backend, other),
  );
  if (newcomer !== undefined && !hasExpired(place, backend)) {
    const standing = [...backend.places.values()].filter(other => other.state !== 'loading');
    const bytes = standing.reduce((sum, other) => sum + other.sizeBytes, 0);
    sawVanish(backend.capacity, { count: standing.length, bytes });
  }
}

function isRecent(backend: Backend, place: Place): boolean {
  return (backend.view.polledAtMs ?? 0) - place.sinceMs < vanishAfterLoadMsMax;
}

/** Not used for as long as Ollama keeps a model by default: it left of itself. */
function hasExpired(place: Place, backend: Backend): boolean {
  return (backend.view.polledAtMs ?? 0) - place.lastUsedMs > ollamaKeepAliveMs;
}
const ollamaKeepAliveMs = 290_000;

function appeared(
  state: State,
  backend: Backend,
  key: string,
  found: { loaded: LoadedModel; nowMs: number },
): void {
  const disk = backend.view.models.get(found.loaded.key);
  if (disk === undefined || justUnloaded(backend, disk.weights)) return;
  if (backend.load?.disk.weights === disk.weights) return;
  for (const [otherKey, other] of backend.places) {
    if (other.weights !== disk.weights) continue;
    // The same weights with other options: the runner was reloaded by somebody else, or we guessed its options wrongly.
    if (other.state !== 'ready' || other.running.size > 0) return;
    backend.places.delete(otherKey);
  }
  const kind = disk.capabilities.includes('embedding') ? 'embed' : 'generate';
  const place = newPlace(state, backend, { key, disk, kind, nowMs: found.nowMs });
  setState(place, 'ready', found.nowMs);
  place.served = 1;
  backend.places.set(key, place);
}

/** Ollama shows a runner until its memory is back (up to 5 s on a GPU). */
function justUnloaded(backend: Backend, weights: string): boolean {
  const unloaded = backend.unloadedMs.peek(weights);
  return unloaded !== undefined && (backend.view.polledAtMs ?? 0) < unloaded.atMs + unloadShownMsMax;
}
const unloadShownMsMax = 5_000;

/** Which runner an entry of /api/ps is; the one that stands under the same weights wins over a guess. */
function keyOfLoaded(backend: Backend, loaded: LoadedModel): string | undefined {
  const disk = backend.view.models.get(loaded.key) ?? byDigest(backend, loaded.digest);
  if (disk === undefined) return undefined;
  for (const place of backend.places.values()) {
    if (place.weights === disk.weights && contextFits(place.key, loaded)) return place.key;
  }
  return runnerKey(disk, guessOptions(disk, loaded));
}

function byDigest(backend: Backend, digest: string): ModelOnDisk | undefined {
  for (const disk of backend.view.models.values()) if (disk.digest === digest) return disk;
  return undefined;
}

function contextFits(key: string, loaded: LoadedModel): boolean {
  const match = /\|num_ctx=(\d+)/.exec(key);
  return match === null || loaded.contextLength === undefined || Number(match[1]) === loaded.contextLength;
}

function guessOptions(disk: ModelOnDisk, loaded: LoadedModel): ReloadOptions {
  const own = disk.reloadDefaults.num_ctx;
  if (own === undefined || loaded.contextLength === undefined || own === loaded.contextLength) return {};
  return { num_ctx: loaded.contextLength };
}

function learnFit(backend: Backend, seen: ReadonlyMap<string, LoadedModel>): void {
  const standing = [...backend.places.values()].filter(
    place => place.state !== 'loading' && seen.has(place.key),
  );
  if (standing.length < 2) return;
  const bytes = standing.reduce((sum, place) => sum + place.sizeBytes, 0);
  sawTogether(backend.capacity, { count: standing.length, bytes });
}
