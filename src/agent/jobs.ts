// The long work of the agent, one job at a time: a pull or the making of a derived model. Never chooses which.
import type { AgentContext } from './context.ts';
import { begun, created, failed, interrupted, progressed } from './core/records.ts';
import { failureOf } from './core/retry.ts';
import type { WantedDerived } from './core/types.ts';
import { Pull, type PullResult } from './pull.ts';

export interface Job {
  readonly key: string;
  readonly giveUp: () => void;
  /** Never fails; what went wrong stands in the state. */
  readonly done: Promise<void>;
}

interface Named {
  readonly name: string;
  readonly key: string;
}

export function startPull(context: AgentContext, model: Named): Job {
  const { settings, timing, deps, ollama, store, families } = context;
  const pull = new Pull(model, {
    ollama,
    store,
    disk: () => context.askDisk(),
    nowMs: () => context.nowMs(),
    insecureRegistries: settings.insecureRegistries,
    reserveBytes: settings.reserveBytes,
    stallMsMax: timing.stallMsMax,
  });
  context.state = begun(context.state, model, 'pulling');
  deps.log.info({ model: model.name }, 'pulling');
  let doneBytes: number | undefined;
  const done = pull.run(bytes => {
    // What an earlier try brought is there from the first line on.
    const moreBytes = doneBytes === undefined ? 0 : Math.max(0, bytes.completedBytes - doneBytes);
    families.bigo_agent_pull_bytes_total.with().value += moreBytes;
    doneBytes = bytes.completedBytes;
    context.state = progressed(context.state, model.key, bytes);
  });
  return {
    key: model.key,
    giveUp: () => pull.giveUp(),
    done: done.then(result => onPulled(context, model, result)).catch(error => context.note(String(error))),
  };
}

async function onPulled(context: AgentContext, model: Named, told: PullResult): Promise<void> {
  const result = told.outcome === 'ok' ? await checked(context, model) : told;
  const outcome = result.outcome === 'failed' ? result.failure.reason : result.outcome;
  context.families.bigo_agent_pulls_total.with(outcome).value += 1;
  if (result.outcome !== 'failed') {
    context.state = interrupted(context.state, model);
    context.deps.log.info({ model: model.name, outcome }, 'the pull ended');
    return;
  }
  context.state = failed(context.state, model, result.failure, context.at());
  context.deps.log.warn({ model: model.name, ...result.failure }, 'the pull failed');
  context.note(`${model.name}: ${result.failure.message}`);
}

/** A model that Ollama says it has pulled but does not list would be pulled for ever. */
async function checked(context: AgentContext, model: Named): Promise<PullResult> {
  const models = await context.ollama.models();
  if (models === undefined || models.has(model.key)) return { outcome: 'ok' };
  const message = 'Ollama says that it was pulled, but does not list it';
  return { outcome: 'failed', failure: { reason: 'PullFailed', message } };
}

export function startCreate(context: AgentContext, model: WantedDerived, mark: string): Job {
  const abort = new AbortController();
  context.state = begun(context.state, model, 'creating');
  const done = create(context, model, abort.signal).then(error => {
    context.families.bigo_agent_creates_total.with(error === undefined ? 'ok' : 'failed').value += 1;
    if (error === undefined) {
      context.deps.log.info({ model: model.name }, 'derived model made');
      context.state = created(interrupted(context.state, model), model.key, mark);
      return;
    }
    context.state = failed(context.state, model, failureOf(error, 'CreateFailed'), context.at());
    context.deps.log.warn({ model: model.name, error }, 'the derived model was not made');
    context.note(`${model.name}: ${error}`);
  });
  return { key: model.key, giveUp: () => abort.abort(new Error('not wanted any more')), done };
}

/** Undefined: it is made. */
async function create(
  context: AgentContext,
  model: WantedDerived,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    for await (const line of context.ollama.create(model.body, signal)) {
      const value = JSON.parse(line) as { error?: string; status?: string };
      if (value.error !== undefined) return value.error;
      if (value.status === 'success') return undefined;
    }
    return 'Ollama ended the answer before it was done';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
