// Why a pull or a create failed, whether trying again soon can help, and when to try again. Never tries anything.
import type { AgentFailureReason as FailureReason } from '../../api/agent-status.ts';
import type { Failure, ModelRecord } from './types.ts';

const messageCharsMax = 500;
const soonMsMin = 5_000;
const soonMsMax = 5 * 60_000;
const slowMsMin = 10 * 60_000;
const slowMsMax = 60 * 60_000;
/** Failures in a row after which even a passing cause counts as failed for good. */
const failuresToFailed = 5;

/** No number of tries within minutes mends these; somebody must act. */
const LASTING: ReadonlySet<FailureReason> = new Set<FailureReason>([
  'NotFound',
  'NotAllowed',
  'InvalidName',
  'NeedsNewerOllama',
  'InsufficientStorage',
  'CannotDelete',
]);

/** In Ollama's own words (server/images.go, server/download.go, server/routes.go PullHandler). */
const WORDS: readonly (readonly [RegExp, FailureReason])[] = [
  [/no space left on device|disk quota exceeded/i, 'InsufficientStorage'],
  [/digest mismatch|size mismatch/i, 'DigestMismatch'],
  [/newer version of ollama|\b412\b/i, 'NeedsNewerOllama'],
  [/invalid model name|invalid protocol scheme|insecure protocol/i, 'InvalidName'],
  [/unauthorized|forbidden|access denied|\b40[13]\b/i, 'NotAllowed'],
  [/file does not exist|not found|manifest unknown|\b404\b/i, 'NotFound'],
  [
    /dial tcp|no such host|connection refused|connection reset|i\/o timeout|max retries exceeded|TLS handshake|EOF|\b5\d\d\b/i,
    'RegistryUnreachable',
  ],
];

export function failureOf(text: string, otherwise: FailureReason): Failure {
  const reason = WORDS.find(([pattern]) => pattern.test(text))?.[1] ?? otherwise;
  return { reason, message: text.slice(0, messageCharsMax) };
}

/** The record after one more failure. `random` in [0, 1) spreads the pods of a fleet. */
export function afterFailure(
  record: ModelRecord,
  failure: Failure,
  at: { readonly nowMs: number; readonly random: number },
): ModelRecord {
  const failures = record.failures + 1;
  const isFailed = LASTING.has(failure.reason) || failures >= failuresToFailed;
  const [minMs, maxMs] = isFailed ? [slowMsMin, slowMsMax] : [soonMsMin, soonMsMax];
  const beyond = isFailed ? Math.max(0, failures - failuresToFailed) : failures - 1;
  const delayMs = Math.min(maxMs, minMs * 2 ** Math.min(beyond, 16));
  return {
    name: record.name,
    key: record.key,
    state: isFailed ? 'failed' : 'pending',
    failure,
    ...(record.repair !== undefined && { repair: record.repair }),
    failures,
    notBeforeMs: at.nowMs + delayMs * (0.75 + at.random / 2),
  };
}
