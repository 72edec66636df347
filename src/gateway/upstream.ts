// The connections to the backends: one pool each. Never chooses a backend, never retries; time limits are the requests' own.
import type { BackendSpec } from '../api/fleet.ts';
import { HOP_HEADER } from '../api/fleet.ts';
import { isFieldValue, writeFields } from '../platform/wire/fields.ts';
import { Pool } from '../platform/wire/pool.ts';

export interface Target {
  spec: BackendSpec;
  readonly pool: Pool;
  /** Fields that every request to it carries, as they are sent. */
  readonly fields: string;
  /** Attempts now under way. */
  running: number;
}

/** Below the idle limits of usual servers and proxies; Ollama itself keeps connections open. */
const idleMsMax = 20_000;

export interface UpstreamOptions {
  readonly connectMsMax: number;
  /** In the hop header, so that a gateway that meets its own request knows the loop. */
  readonly instanceId: string;
}

export class Upstream {
  private targets = new Map<string, Target>();
  private readonly options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.options = options;
  }

  get(name: string): Target | undefined {
    return this.targets.get(name);
  }

  setBackends(specs: readonly BackendSpec[]): void {
    const next = new Map<string, Target>();
    for (const spec of specs) {
      const known = this.targets.get(spec.name);
      next.set(
        spec.name,
        known !== undefined && sameConnection(known.spec, spec) ? keep(known, spec) : this.open(spec),
      );
    }
    for (const [name, target] of this.targets) if (next.get(name) !== target) target.pool.close();
    this.targets = next;
  }

  close(): void {
    for (const target of this.targets.values()) target.pool.destroy();
    this.targets.clear();
  }

  private open(spec: BackendSpec): Target {
    const { connectMsMax, instanceId } = this.options;
    const { url, ca } = spec;
    const pool = new Pool({ url, connectMsMax, idleMsMax, ...(ca !== undefined && { ca }) });
    // A value with a line end in it would become a field of its own; the fleet's questions fail with it, so the backend is down.
    const own = Object.entries(spec.headers ?? {}).filter(([, value]) => isFieldValue(value));
    const fields = writeFields([
      'host',
      pool.authority,
      'connection',
      'keep-alive',
      HOP_HEADER,
      instanceId,
      ...own.flat(),
    ]);
    return { spec, pool, fields, running: 0 };
  }
}

function keep(target: Target, spec: BackendSpec): Target {
  target.spec = spec;
  return target;
}

function sameConnection(a: BackendSpec, b: BackendSpec): boolean {
  return (
    a.url === b.url && a.ca === b.ca && JSON.stringify(a.headers ?? {}) === JSON.stringify(b.headers ?? {})
  );
}
