// The connections to the backends: one undici pool each. Never chooses a backend, never retries; timers are ours, so its own are off.
import type { Socket } from 'node:net';
import { Pool, buildConnector } from 'undici';
import type { BackendSpec } from '../api/fleet.ts';

export interface Target {
  spec: BackendSpec;
  readonly pool: Pool;
  /** spec.headers as undici wants them: name, value, name, value. */
  readonly headers: readonly string[];
  /** Attempts now under way. */
  running: number;
}

const answerHeadBytesMax = 32 * 1024;
/** Below the idle limits of usual servers and proxies; Ollama itself keeps connections open. */
const idleMsMax = 20_000;

export class Upstream {
  private targets = new Map<string, Target>();
  private readonly connectMsMax: number;

  constructor(connectMsMax: number) {
    this.connectMsMax = connectMsMax;
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
    for (const [name, target] of this.targets) {
      // close() lets running requests finish.
      if (next.get(name) !== target) void target.pool.close().catch(() => undefined);
    }
    this.targets = next;
  }

  async close(): Promise<void> {
    const pools = [...this.targets.values()].map(target => target.pool.destroy());
    this.targets.clear();
    await Promise.allSettled(pools);
  }

  private open(spec: BackendSpec): Target {
    const pool = new Pool(spec.url, {
      // The scheduler bounds what a backend holds; a bound here would be a second, silent queue.
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleMsMax,
      keepAliveMaxTimeout: idleMsMax,
      maxHeaderSize: answerHeadBytesMax,
      allowH2: false,
      connect: markingConnector(spec, this.connectMsMax),
    });
    return { spec, pool, headers: Object.entries(spec.headers ?? {}).flat(), running: 0 };
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

const usedBefore = Symbol('bytes read before the error');

/** Tells later whether an error met a connection that had already carried an answer: then it was a stale keep-alive. */
function markingConnector(spec: BackendSpec, connectMsMax: number): buildConnector.connector {
  const connect = buildConnector({
    timeout: connectMsMax,
    allowH2: false,
    ...(spec.ca === undefined ? {} : { ca: spec.ca }),
  });
  return (options, callback) => {
    connect(options, (...result) => {
      const socket: Socket | null = result[1];
      socket?.setNoDelay(true);
      socket?.prependListener('error', (error: Error & { [usedBefore]?: boolean }) => {
        if (Object.isExtensible(error)) error[usedBefore] = socket.bytesRead > 0;
      });
      callback(...result);
    });
  };
}

/** undici's SocketError carries the socket's counters; system errors carry our mark. */
export function metUsedConnection(error: Error): boolean {
  const marked = error as Error & { [usedBefore]?: boolean; socket?: { bytesRead?: number } | null };
  return marked[usedBefore] === true || (marked.socket?.bytesRead ?? 0) > 0;
}
