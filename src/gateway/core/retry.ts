// What to do after an attempt failed: try again, and where, or tell the client. A pure decision with its reason.
// Never allows a second attempt once a byte went to the client, nor for routes that change models (rules 2, 3, 4, 5).
import type { ErrorCode } from '../../api/errors.ts';
import type { Outcome } from './scheduler/messages.ts';

/** What went wrong with one attempt. */
export type Failure =
  | 'connect' // no connection: the backend saw nothing of the request
  | 'stale' // a kept-alive connection died before the first byte of the answer
  | 'reset' // the connection ended before the head of the answer
  | 'invalid' // the answer is not Ollama's: HTML, a redirect, broken HTTP
  | 'status' // a complete answer with a 4xx or 5xx
  | 'first_byte_timeout'
  | 'frozen'
  | 'cut' // the answer ended too early
  | 'stalled' // the answer began and then nothing more came
  | 'too_large'; // a held answer is over the limit

/** After these the fleet should look at the backend at once. */
export const SUSPECT: ReadonlySet<Failure> = new Set(['connect', 'reset', 'cut', 'stalled']);

export interface FailedAttempt {
  readonly failure: Failure;
  /** Of failure `status`. */
  readonly status?: number;
  /** The backend said that it does not have the model which our snapshot says it has. */
  readonly modelMissing?: boolean;
  /** Bytes of any answer that the client was sent. */
  readonly sentBytes: number;
  /** Attempts made, this one included. */
  readonly attempts: number;
  /** Attempts on this request that ended in a 500, this one included. */
  readonly serverErrors: number;
  /** A silent second try on the same backend was used already. */
  readonly staleUsed: boolean;
}

export interface RetryBudget {
  /** Requests of the whole gateway that are on their second or third attempt. */
  readonly retrying: number;
  readonly inFlight: number;
}

export type RetryAction =
  | 'same' // once more to the same backend, silently: nothing is wrong with it
  | 'other' // back to the queue, without the backends that were tried
  | 'forward' // the backend's own answer goes to the client
  | 'fail'; // an error of ours

export interface RetryDecision {
  readonly action: RetryAction;
  /** Metric label and log field. */
  readonly reason: string;
  /** For the scheduler's breaker. */
  readonly outcome: Outcome;
  /** Of action `fail`. */
  readonly code: ErrorCode;
}

export const attemptsMax = 3;
const budgetShare = 0.1;
/** About one backend's requests: what one that died held may go elsewhere; retries wait in the queue like others. */
export const budgetMin = 16;

const CODES: Readonly<Record<Failure, ErrorCode>> = {
  connect: 'backend_unreachable',
  stale: 'backend_unreachable',
  reset: 'backend_failed',
  invalid: 'backend_invalid',
  status: 'backend_failed',
  first_byte_timeout: 'first_byte_timeout',
  frozen: 'backend_frozen',
  cut: 'stream_cut',
  stalled: 'stream_stalled',
  too_large: 'backend_too_large',
};

/**
 * 1. A byte was sent: never again (rule 5).
 * 2. A stale keep-alive connection: once more, same backend, no blame (rule 20).
 * 3. The model is not where the snapshot said: elsewhere, no blame; the caller corrects the snapshot.
 * 4. Any other 4xx is the client's: forward it, no blame.
 * 5. Too large an answer would be too large elsewhere: fail, no blame.
 * 6. The first byte is late: the time was the request's, so none is left for another attempt (rule 23).
 * 7. A 500: elsewhere once; the second is forwarded (Ollama retries an OOM load itself).
 * 8. 502, 503, 504, no connection, reset, frozen, a cut or foreign answer: elsewhere.
 * In 3, 7 and 8 only within the attempts and the budget; else the backend's answer, or our error.
 * No connection costs no budget: that backend saw nothing, so trying elsewhere adds no load.
 */
export function decideRetry(attempt: FailedAttempt, budget: RetryBudget): RetryDecision {
  const { failure } = attempt;
  const code = CODES[failure];
  const reason = failure === 'status' ? `status_${attempt.status ?? 0}` : failure;
  const lastWord = failure === 'status' ? 'forward' : 'fail';
  if (attempt.sentBytes > 0) return { action: 'fail', reason, outcome: 'failed', code };
  if (failure === 'stale' && !attempt.staleUsed) return { action: 'same', reason, outcome: 'ok', code };
  if (failure === 'too_large') return { action: 'fail', reason, outcome: 'refused', code };
  if (failure === 'first_byte_timeout') return { action: 'fail', reason, outcome: 'failed', code };
  const again = mayRetry(attempt, budget) ? 'other' : lastWord;
  if (failure !== 'status') return { action: again, reason, outcome: 'failed', code };

  const status = attempt.status ?? 0;
  if (attempt.modelMissing === true) {
    return { action: again, reason: 'model_missing', outcome: 'refused', code: 'model_not_found' };
  }
  if (status < 500) return { action: 'forward', reason, outcome: 'refused', code };
  if (status === 500 && attempt.serverErrors > 1)
    return { action: 'forward', reason, outcome: 'failed', code };
  const worthIt = status === 500 || status === 502 || status === 503 || status === 504;
  return { action: worthIt ? again : 'forward', reason, outcome: 'failed', code };
}

function mayRetry(attempt: FailedAttempt, budget: RetryBudget): boolean {
  if (attempt.attempts >= attemptsMax) return false;
  if (attempt.failure === 'connect') return true;
  return budget.retrying < Math.max(budgetMin, Math.floor(budget.inFlight * budgetShare));
}
