// What the parts of one running agent share. Made once by agent.ts; only what is not readonly changes, each by the one part that is named.
import type { AGENT_METRICS } from '../api/agent-metrics.ts';
import type { AgentSettings } from '../api/agent-settings.ts';
import type { Families } from '../platform/metrics.ts';
import type { Disk } from './core/disk.ts';
import { emptyState } from './core/plan.ts';
import type { AgentState, Assignment, ModelSeen } from './core/types.ts';
import type { LocalOllama } from './ollama.ts';
import type { StoreFiles } from './store-files.ts';
import type { AgentDeps, AgentTiming } from './types.ts';

const errorsMax = 20;
const messageCharsMax = 500;

export class AgentContext {
  readonly settings: AgentSettings;
  readonly deps: AgentDeps;
  readonly timing: AgentTiming;
  readonly ollama: LocalOllama;
  readonly store: StoreFiles;
  readonly families: Families<typeof AGENT_METRICS>;
  /** Changed by the loop and by the end of jobs, never across an await. */
  state: AgentState = emptyState;
  /** By the loop. */
  assignment: Assignment | undefined;
  models: ReadonlyMap<string, ModelSeen> | undefined;
  ollamaVersion: string | undefined;
  heardAtMs = -Infinity;
  disk: Disk | undefined;
  repaired = 0;
  errors: readonly { readonly at: string; readonly message: string }[] = [];

  constructor(parts: Pick<AgentContext, 'settings' | 'deps' | 'timing' | 'ollama' | 'store' | 'families'>) {
    this.settings = parts.settings;
    this.deps = parts.deps;
    this.timing = parts.timing;
    this.ollama = parts.ollama;
    this.store = parts.store;
    this.families = parts.families;
  }

  nowMs(): number {
    return this.deps.clock.nowMs();
  }

  at(): { nowMs: number; random: number } {
    return { nowMs: this.nowMs(), random: this.deps.rng() };
  }

  askDisk(): Promise<Disk> {
    const { disk } = this.deps;
    return disk === undefined ? this.store.disk() : disk(this.settings.store);
  }

  /** Into /status; what comes again and again stands there once. */
  note(text: string): void {
    const message = text.slice(0, messageCharsMax);
    const others = this.errors.filter(error => error.message !== message);
    this.errors = [{ at: this.deps.clock.wallIso(), message }, ...others].slice(0, errorsMax);
    this.deps.log.debug({ message }, 'noted');
  }
}
