// One backend as its probes tell it: (record, observation, context) -> record. Never probes, never looks at another backend.
//
// Liveness is /api/version alone (rule 29). A failed liveness probe makes a backend down
//   1. at once where the failure proves it: nothing listens, or what listens is not an Ollama server;
//   2. after FAILURES_TO_DOWN in a row where a busy or restarting machine would look the same.
// tags and ps never make a backend down: their failure is told in `error`, and what was known stays with its age.
// A backend that is down keeps its models (they are on disk) and loses what was loaded.
import type { BackendSpec, BackendView, LoadedModel, ModelOnDisk } from '../../api/fleet.ts';
import { withFacts, type ModelFacts } from './models.ts';
import type { Timing } from './timing.ts';

export type Probe = 'version' | 'tags' | 'ps';

/** platform's words for a failed exchange, and three of our own: a status that is not 200, an answer that makes no sense, our own hop. */
export type FailureKind =
  | 'refused'
  | 'name'
  | 'unreachable'
  | 'silent'
  | 'reset'
  | 'too_large'
  | 'aborted'
  | 'protocol'
  | 'other'
  | 'status'
  | 'invalid'
  | 'loop';

export const FAILURES_TO_DOWN: Readonly<Record<Exclude<FailureKind, 'loop'>, number>> = {
  refused: 1, // the process is gone
  protocol: 1, // it never was an Ollama server
  invalid: 1,
  too_large: 1,
  name: 2, // a resolver may fail once
  unreachable: 2,
  silent: 2, // a machine under load, or a load of weights that takes all of its disk
  reset: 2, // a keep-alive connection that it closed just then
  status: 2,
  aborted: 2,
  other: 2,
};

export type Observation =
  | { readonly type: 'version'; readonly version: string; readonly instance?: string }
  | { readonly type: 'tags'; readonly models: ReadonlyMap<string, ModelOnDisk> }
  | { readonly type: 'ps'; readonly loaded: readonly LoadedModel[] }
  /** The answer was the same as the last one, byte for byte. */
  | { readonly type: 'same'; readonly probe: 'tags' | 'ps' }
  | { readonly type: 'failed'; readonly probe: Probe; readonly kind: FailureKind; readonly message: string }
  | { readonly type: 'facts'; readonly byDigest: ReadonlyMap<string, ModelFacts> }
  | { readonly type: 'forget'; readonly key: string }
  | { readonly type: 'draining'; readonly on: boolean }
  | { readonly type: 'spec'; readonly spec: BackendSpec }
  /** Somebody has reason to think that it came or went, or that its models or runners changed: ask now. */
  | { readonly type: 'ask'; readonly probes: readonly Probe[] };

export interface BackendRecord {
  readonly view: BackendView;
  /** Liveness probes that failed since the last good one. */
  readonly failures: number;
  readonly asked: Readonly<Record<Probe, boolean>>;
  readonly dueMs: Readonly<Record<Probe, number>>;
  /** What was wrong with the last answer of a probe that does not decide about liveness. */
  readonly trouble: Readonly<Partial<Record<'tags' | 'ps', string>>>;
}

export interface Context {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
  readonly timing: Timing;
  readonly instanceId: string;
}

export function newRecord(spec: BackendSpec, nowMs: number): BackendRecord {
  return {
    view: {
      spec,
      state: 'unknown',
      stateSinceMs: nowMs,
      draining: spec.access === 'write',
      version: undefined,
      polledAtMs: undefined,
      models: new Map(),
      loaded: [],
    },
    failures: 0,
    asked: { version: false, tags: false, ps: false },
    dueMs: { version: nowMs, tags: Infinity, ps: Infinity },
    trouble: {},
  };
}

/** It was asked for all that matters, or it does not answer. */
export function wasAsked(record: BackendRecord): boolean {
  if (record.view.state === 'down' || record.view.state === 'loop') return true;
  return record.asked.version && record.asked.tags && record.asked.ps;
}

export function observe(record: BackendRecord, seen: Observation, context: Context): BackendRecord {
  switch (seen.type) {
    case 'version':
      return onVersion(record, seen, context);
    case 'tags':
      return onRead(record, 'tags', { models: seen.models }, context);
    case 'ps':
      return onRead(record, 'ps', { loaded: seen.loaded }, context);
    case 'same':
      return onRead(record, seen.probe, {}, context);
    case 'failed':
      return onFailed(record, seen, context);
    case 'facts':
      return withView(record, { models: withFacts(record.view.models, seen.byDigest) });
    case 'forget':
      return forget(record, seen.key, context);
    case 'draining': {
      const draining = seen.on || record.view.spec.access === 'write';
      return record.view.draining === draining ? record : withView(record, { draining });
    }
    case 'spec':
      return withView(record, { spec: seen.spec });
    case 'ask':
      return ask(record, seen.probes, context);
    default:
      return seen satisfies never;
  }
}

function onVersion(
  record: BackendRecord,
  seen: Extract<Observation, { type: 'version' }>,
  context: Context,
): BackendRecord {
  if (seen.instance === context.instanceId) {
    return onLoop(record, 'it is this gateway itself', context);
  }
  const came = record.view.state !== 'up';
  const next = toState(record, 'up', undefined, context);
  const { nowMs } = context;
  return {
    ...withView(next, { version: seen.version }),
    failures: 0,
    asked: { ...record.asked, version: true },
    dueMs: {
      version: nowMs + drawn(context.timing.versionEveryMs, context),
      // A server that came back may hold other models than before: nothing known is younger than its start.
      tags: came ? nowMs : record.dueMs.tags,
      ps: came ? nowMs : record.dueMs.ps,
    },
  };
}

function onLoop(record: BackendRecord, why: string, context: Context): BackendRecord {
  const next = toState(record, 'loop', why, context);
  const { timing, nowMs } = context;
  return {
    ...withView(next, { models: new Map(), loaded: [], version: undefined }),
    failures: 0,
    asked: { ...record.asked, version: true },
    dueMs: { version: nowMs + drawn(timing.versionDownEveryMsMax, context), tags: Infinity, ps: Infinity },
    trouble: {},
  };
}

function onRead(
  record: BackendRecord,
  probe: 'tags' | 'ps',
  read: Partial<Pick<BackendView, 'models' | 'loaded'>>,
  context: Context,
): BackendRecord {
  // It went down while this answer was under way: what it had loaded is gone, and its list is read when it returns.
  if (record.view.state !== 'up') return record;
  const { [probe]: _gone, ...trouble } = record.trouble;
  const { nowMs, timing } = context;
  const next = withView({ ...record, trouble }, { ...read, polledAtMs: nowMs });
  const psEveryMs = next.view.loaded.length > 0 ? timing.psEveryMs : timing.psIdleEveryMs;
  const everyMs = probe === 'tags' ? timing.tagsEveryMs : psEveryMs;
  return retold({
    ...next,
    asked: { ...record.asked, [probe]: true },
    dueMs: { ...record.dueMs, [probe]: nowMs + drawn(everyMs, context) },
  });
}

function onFailed(
  record: BackendRecord,
  seen: Extract<Observation, { type: 'failed' }>,
  context: Context,
): BackendRecord {
  if (seen.kind === 'loop') return onLoop(record, seen.message, context);
  if (seen.probe !== 'version') return onReadFailed(record, seen.probe, seen, context);
  const failures = record.failures + 1;
  const asked = { ...record.asked, version: true };
  const isDown = record.view.state === 'down' || failures >= FAILURES_TO_DOWN[seen.kind];
  if (!isDown) {
    const dueMs = { ...record.dueMs, version: context.nowMs + context.timing.versionRetryMs };
    return { ...record, failures, asked, dueMs };
  }
  const next = toState(record, 'down', seen.message, context);
  return {
    ...withView(next, { loaded: record.view.loaded.length === 0 ? record.view.loaded : [] }),
    failures,
    asked,
    dueMs: { version: context.nowMs + backOffMs(failures, context), tags: Infinity, ps: Infinity },
    trouble: {},
  };
}

function onReadFailed(
  record: BackendRecord,
  probe: 'tags' | 'ps',
  seen: { readonly kind: FailureKind; readonly message: string },
  context: Context,
): BackendRecord {
  if (record.view.state !== 'up') return record;
  const { nowMs, timing } = context;
  const what = probe === 'tags' ? 'it does not tell its models' : 'it does not tell what is loaded';
  const everyMs = probe === 'tags' ? timing.tagsEveryMs : timing.psIdleEveryMs;
  // Not a verdict, but a reason to look whether it lives.
  const suspect = seen.kind === 'refused' || seen.kind === 'reset';
  return retold({
    ...record,
    trouble: { ...record.trouble, [probe]: `${what}: ${seen.message}` },
    asked: { ...record.asked, [probe]: true },
    dueMs: {
      ...record.dueMs,
      [probe]: nowMs + drawn(Math.min(everyMs, timing.psIdleEveryMs), context),
      version: suspect ? Math.min(record.dueMs.version, nowMs) : record.dueMs.version,
    },
  });
}

function forget(record: BackendRecord, key: string, context: Context): BackendRecord {
  if (!record.view.models.has(key)) return record;
  const models = new Map(record.view.models);
  models.delete(key);
  return ask(withView(record, { models }), ['tags'], context);
}

// What only a living backend can tell waits until it lives.
function ask(record: BackendRecord, probes: readonly Probe[], context: Context): BackendRecord {
  const wanted = record.view.state === 'up' ? probes : (['version'] as const);
  const dueMs = { ...record.dueMs };
  for (const probe of wanted) dueMs[probe] = Math.min(dueMs[probe], context.nowMs);
  return { ...record, dueMs };
}

function toState(
  record: BackendRecord,
  state: BackendView['state'],
  error: string | undefined,
  context: Context,
): BackendRecord {
  const { view } = record;
  if (view.state === state && (view.error === error || state === 'up')) return record;
  const { error: _old, ...rest } = view;
  const stateSinceMs = view.state === state ? view.stateSinceMs : context.nowMs;
  return { ...record, view: { ...rest, state, stateSinceMs, ...(error === undefined ? {} : { error }) } };
}

function retold(record: BackendRecord): BackendRecord {
  const error = record.trouble.tags ?? record.trouble.ps;
  if (record.view.state !== 'up' || record.view.error === error) return record;
  const { error: _old, ...rest } = record.view;
  return { ...record, view: error === undefined ? rest : { ...rest, error } };
}

function withView(record: BackendRecord, change: Partial<BackendView>): BackendRecord {
  return { ...record, view: { ...record.view, ...change } };
}

function backOffMs(failures: number, context: Context): number {
  const { versionRetryMs, versionDownEveryMsMax } = context.timing;
  return drawn(Math.min(versionDownEveryMsMax, versionRetryMs * 2 ** Math.min(failures, 10)), context);
}

function drawn(everyMs: number, context: Context): number {
  return everyMs * (1 + context.timing.jitter * (2 * context.random - 1));
}

/** Whether anything but its age changed. */
export function sameView(a: BackendView, b: BackendView): boolean {
  if (a === b) return true;
  return (
    a.spec === b.spec &&
    a.state === b.state &&
    a.error === b.error &&
    a.draining === b.draining &&
    a.version === b.version &&
    a.models === b.models &&
    a.loaded === b.loaded &&
    (a.polledAtMs === undefined) === (b.polledAtMs === undefined)
  );
}
