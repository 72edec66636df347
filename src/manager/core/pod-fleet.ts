// A fleet put together from what its Ollama pods say themselves, and what agents add to any fleet: pulls that are under way.
// Never makes a model present that an Ollama does not list.
import { modelKey } from '../../api/names.ts';
import { Fleet } from './wire.ts';

interface PodSight {
  readonly name: string;
  readonly url: string;
  /** Answers of /api/tags and /api/ps; undefined = it did not answer. */
  readonly tags: unknown;
  readonly ps: unknown;
}

interface RawModel {
  readonly name?: unknown;
  readonly digest?: unknown;
  readonly size?: unknown;
  readonly size_vram?: unknown;
}

export function podFleet(pods: readonly PodSight[]): Fleet {
  const backends = pods.map(({ name, url, tags, ps }) => ({
    name,
    url,
    state: tags === undefined ? 'down' : 'up',
    store: name,
    models: rowsOf(tags).map(row => ({ name: row.name, digest: row.digest, sizeBytes: row.size })),
    loaded: rowsOf(ps).map(row => ({
      name: row.name,
      digest: row.digest,
      sizeBytes: row.size,
      sizeVramBytes: row.size_vram,
    })),
  }));
  return Fleet.parse({ backends });
}

function rowsOf(answer: unknown): RawModel[] {
  const list = (answer as { models?: unknown } | undefined)?.models;
  return Array.isArray(list) ? (list as (RawModel | null)[]).filter(row => row !== null) : [];
}

interface AgentModel {
  readonly name: string;
  readonly state: string;
  readonly percent?: number;
  readonly message?: string;
}

export interface AgentSight {
  readonly models: readonly AgentModel[];
}

/** By pod, whose name is that of its backend. */
export function withAgents(fleet: Fleet, agents: ReadonlyMap<string, AgentSight>): Fleet {
  const backends = fleet.backends.map(backend => {
    const there = new Set(backend.models.map(({ name }) => modelKey(name) ?? name));
    const coming = (agents.get(backend.name)?.models ?? []).filter(
      ({ name, state }) => state !== 'present' && !there.has(modelKey(name) ?? name),
    );
    return coming.length === 0
      ? backend
      : {
          ...backend,
          coming: coming.map(({ name, state, percent = 0, message = '' }) => ({
            name,
            state: state === 'failed' ? ('failed' as const) : ('pulling' as const),
            percent,
            message,
          })),
        };
  });
  return { ...fleet, backends };
}
