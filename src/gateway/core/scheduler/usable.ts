// Which backends a ticket may go to, and why not to the others. Never changes the state.
import type { SkipReason } from '../../../api/reasons.ts';
import { lets } from './breaker.ts';
import type { Backend, Candidate, Ticket } from './state.ts';

/** '0.14.3' → 14003: enough to compare Ollama versions; unknown versions count as new. */
export function versionNumber(version: string | undefined): number {
  const match = version === undefined ? null : /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  if (match === null) return Infinity;
  const [major, minor, patch] = [match[1], match[2], match[3] ?? '0'].map(Number);
  const number = (major ?? 0) * 1e6 + (minor ?? 0) * 1e3 + (patch ?? 0);
  // 0.0.0 is what an unversioned build of Ollama says.
  return number === 0 ? Infinity : number;
}

const versions = new Map<string, number>();
function versionMinOf(text: string): number {
  let number = versions.get(text);
  if (number === undefined) {
    number = versionNumber(text);
    if (versions.size < 64) versions.set(text, number === Infinity ? 0 : number);
  }
  return number === Infinity ? 0 : number;
}

/** Reasons that do not pass by themselves in a moment: the backend is no candidate at all. */
export function barred(backend: Backend, ticket: Ticket): SkipReason | undefined {
  const { spec } = ticket;
  if (spec.only !== undefined && !spec.only.includes(backend.name)) return 'rule';
  const { state } = backend.view;
  if (state === 'down' || state === 'loop' || state === 'unknown') return state;
  if (backend.view.draining) return 'draining';
  if (backend.versionNumber < versionMinOf(spec.versionMin)) return 'version_too_old';
  return undefined;
}

/** Reasons that pass by themselves: a breaker of the backend or of the model there. */
export function shut(candidate: Candidate, nowMs: number): SkipReason | undefined {
  const { backend } = candidate;
  if (!lets(backend.breaker, nowMs)) return 'breaker_open';
  const trouble = backend.modelBreakers.peek(candidate.key);
  if (trouble !== undefined && !lets(trouble.breaker, nowMs)) return 'model_breaker_open';
  return undefined;
}

export interface Choice {
  readonly usable: readonly Candidate[];
  /** Every backend was shut by a breaker, and the least bad one is tried. */
  readonly failOpen: boolean;
}

/**
 * 1. Backends that are barred are out. 2. Those shut by a breaker are out, unless that leaves none:
 *    then the one whose backend breaker opens first is tried (a model's own breaker is never forced).
 * 3. Those that failed this request are out until they answered a probe since, unless that leaves none.
 */
export function choose(ticket: Ticket, nowMs: number): Choice {
  const open: Candidate[] = [];
  let leastBad: Candidate | undefined;
  for (const candidate of ticket.ask.candidates) {
    if (barred(candidate.backend, ticket) !== undefined) continue;
    const reason = shut(candidate, nowMs);
    if (reason === undefined) open.push(candidate);
    else if (reason === 'breaker_open' && answeredSince(candidate)) leastBad = lessBad(leastBad, candidate);
  }
  if (open.length === 0) {
    return leastBad === undefined ? { usable: [], failOpen: false } : { usable: [leastBad], failOpen: true };
  }
  if (ticket.spec.tried.length === 0) return { usable: open, failOpen: false };
  const fresh = open.filter(candidate => !failedJustNow(candidate, ticket));
  return { usable: fresh.length > 0 ? fresh : open, failOpen: false };
}

export function failedJustNow(candidate: Candidate, ticket: Ticket): boolean {
  return ticket.spec.tried.includes(candidate.backend.name) && !answeredSince(candidate);
}

function answeredSince({ backend }: Candidate): boolean {
  return (backend.view.polledAtMs ?? -Infinity) > backend.breaker.failedAtMs;
}

function lessBad(a: Candidate | undefined, b: Candidate): Candidate {
  if (a === undefined) return b;
  return (a.backend.breaker.openUntilMs ?? 0) <= (b.backend.breaker.openUntilMs ?? 0) ? a : b;
}
