// What a change came to when every store has answered or not: the one answer for the client, and who is tried again.
// Never hides a store that did not do it.
import { BigoError } from '../../../api/errors.ts';

export type StoreResult =
  | { readonly type: 'done' }
  /** The server itself said no; trying again would say the same. */
  | { readonly type: 'refused'; readonly status: number; readonly message: string }
  /** It did not answer, or stopped in the middle. */
  | { readonly type: 'gone'; readonly message: string };

export interface StoreAnswer {
  readonly store: string;
  /** Of the backend that was asked, for people. */
  readonly backend: string;
  readonly result: StoreResult;
}

/** A refusal that all share is passed on as the server said it: its status and its words. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

export interface Verdict {
  readonly error?: BigoError | Refusal;
  /** Stores that would do it if they answered. */
  readonly late: readonly StoreAnswer[];
}

/**
 * Pull and create:
 *   1. nobody was there to ask, or nobody who was asked answered: an error that names them;
 *   2. those who answered all refused: their words;
 *   3. some refused, others did it: an error that says which is which;
 *   4. else it is done; who was gone is told in a status line and does it later.
 */
export function verdictOfProgress(answers: readonly StoreAnswer[]): Verdict {
  const done = answers.filter(({ result }) => result.type === 'done');
  const late = answers.filter(({ result }) => result.type === 'gone');
  const refused = answers.filter(({ result }) => result.type === 'refused');
  if (done.length === 0 && refused.length === 0) return { error: nobodyAnswers(late), late };
  if (refused.length === 0) return { late };
  if (done.length === 0) return { error: sharedRefusal(refused), late };
  const message = `${saidBy(refused)} (done on ${namesOf(done)})`;
  return { error: new BigoError('backend_failed', message, { backend: namesOf(refused) }), late };
}

/**
 * Copy and delete: every holder must do it.
 *   1. nobody holds it: not found;
 *   2. those who answered all refused: their words;
 *   3. some holder did not do it: an error that names it, though the others did;
 *   4. else it is done.
 */
export function verdictOfHolders(answers: readonly StoreAnswer[], notFound: Refusal): Verdict {
  // A holder that lost the model meanwhile does not make a change of the others wrong.
  const missing = answers.filter(({ result }) => result.type === 'refused' && result.status === 404);
  const rest = answers.filter(answer => !missing.includes(answer));
  const late = rest.filter(({ result }) => result.type === 'gone');
  const refused = rest.filter(({ result }) => result.type === 'refused');
  if (rest.length === 0) return { error: notFound, late };
  if (refused.length > 0 && refused.length === rest.length) return { error: sharedRefusal(refused), late };
  if (refused.length > 0) {
    return { error: new BigoError('backend_failed', saidBy(refused), { backend: namesOf(refused) }), late };
  }
  return late.length === 0 ? { late } : { error: unreachable(late), late };
}

function nobodyAnswers(late: readonly StoreAnswer[]): BigoError {
  const message =
    late.length === 0 ? 'No backend is configured.' : `No backend could do it: ${saidBy(late)}.`;
  return new BigoError('no_backend', message, { retryAfterMs: 5_000 });
}

function unreachable(late: readonly StoreAnswer[]): BigoError {
  const message = `${saidBy(late)}. The change is applied there when it returns.`;
  return new BigoError('store_unreachable', message, { backend: namesOf(late) });
}

function sharedRefusal(refused: readonly StoreAnswer[]): Refusal | BigoError {
  const [first] = refused;
  if (first?.result.type !== 'refused') throw new TypeError('no refusal was given');
  const { status, message } = first.result;
  const alike = refused.every(({ result }) => result.type === 'refused' && result.message === message);
  if (alike) return { status, message };
  return new BigoError('backend_failed', saidBy(refused), { backend: namesOf(refused) });
}

function namesOf(answers: readonly StoreAnswer[]): string {
  return answers.map(({ backend }) => backend).join(', ');
}

function saidBy(answers: readonly StoreAnswer[]): string {
  return answers
    .map(({ backend, result }) => (result.type === 'done' ? backend : `${backend}: ${result.message}`))
    .join('; ');
}
