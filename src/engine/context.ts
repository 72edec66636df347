// What the routes share: the store, the loaded models, the library. Made once at start.
import type { Options } from './core/options.ts';
import type { LlamaLibrary } from './llama-install.ts';
import type { Catalog } from './catalog.ts';
import type { Pulls } from './pulls.ts';
import type { Scheduler } from './scheduler.ts';
import type { Store } from './store.ts';
import type { Templates } from './templates.ts';

export interface EngineContext {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly scheduler: Scheduler;
  readonly pulls: Pulls;
  /** The library is installed and loaded when a model is first needed. */
  readonly library: () => Promise<{ readonly library: LlamaLibrary; readonly templates: Templates }>;
  readonly options: Options;
  readonly threads: number;
  readonly version: string;
  readonly log: (message: string) => void;
}
