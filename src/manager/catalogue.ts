// Looks the curated models up in the registry, once in an hour and for two seconds at most. Never fails: without a registry there is the file.
import type { Clock } from '../platform/clock.ts';
import type { HttpClient } from '../platform/http.ts';
import { catalogueView, CURATED, manifestPath, type CatalogueView } from './core/catalogue.ts';

export const libraryRegistry = 'https://registry.ollama.ai';

const lookMsMax = 2_000;
const fineMs = 3_600_000;
const awayMs = 600_000;
const headBytesMax = 64 * 1024;
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

export class Catalogue {
  private readonly http: HttpClient;
  private readonly clock: Clock;
  /** Undefined = nobody is asked. */
  private readonly registry: string | undefined;
  private gone: ReadonlySet<string> | undefined;
  private isAway = false;
  private lookAgainMs = -Infinity;
  private looking: Promise<void> | undefined;

  constructor(http: HttpClient, clock: Clock, registry: string | undefined) {
    this.http = http;
    this.clock = clock;
    this.registry = registry;
  }

  async read(): Promise<CatalogueView> {
    if (this.registry !== undefined && this.clock.nowMs() >= this.lookAgainMs) {
      this.looking ??= this.look(this.registry).finally(() => (this.looking = undefined));
      await this.looking;
    }
    if (this.gone === undefined) return catalogueView('file', new Set());
    return catalogueView(this.isAway ? 'cache' : 'registry', this.gone);
  }

  private async look(registry: string): Promise<void> {
    try {
      const statuses = await Promise.all(CURATED.map(({ name }) => this.statusOf(registry, name)));
      if (statuses.some(status => status !== 200 && status !== 404)) throw new Error('it refuses');
      this.gone = new Set(CURATED.flatMap(({ name }, at) => (statuses[at] === 404 ? [name] : [])));
      this.isAway = false;
    } catch {
      this.isAway = true;
    }
    this.lookAgainMs = this.clock.nowMs() + (this.isAway ? awayMs : fineMs);
  }

  private async statusOf(registry: string, name: string): Promise<number> {
    const answer = await this.http.ask(
      { url: registry },
      {
        method: 'HEAD',
        path: manifestPath(name),
        headers: { accept: MANIFEST },
        bytesMax: headBytesMax,
        timeMsMax: lookMsMax,
      },
    );
    return answer.status;
  }
}
