// What a request remembers of its attempts: how many, which failures, how much time for a first byte is left.
// Never sends anything: it asks core/retry.ts and keeps the gateway's count of retrying requests.
import type { Attempt } from './attempt.ts';
import type { GatewayContext } from './context.ts';
import { decideRetry } from './core/retry.ts';
import type { Failure, RetryDecision } from './core/retry.ts';
import type { TicketSpec } from './core/scheduler/messages.ts';

export class Tries {
  /** Attempts on backends that the scheduler granted. */
  count = 0;
  firstByteMsLeft: number;
  private readonly context: GatewayContext;
  private retrying = false;
  private staleUsed = false;
  private serverErrors = 0;

  constructor(context: GatewayContext) {
    this.context = context;
    this.firstByteMsLeft = context.settings.time.firstByteMsMax;
  }

  /** Of an attempt that gave the client nothing. */
  decide(attempt: Attempt, failure: Failure, modelMissing: boolean): RetryDecision {
    if (failure === 'status' && attempt.status === 500) this.serverErrors += 1;
    return decideRetry(
      {
        failure,
        status: attempt.status,
        modelMissing,
        sentBytes: 0,
        attempts: this.count,
        serverErrors: this.serverErrors,
        staleUsed: this.staleUsed,
      },
      this.context.flights,
    );
  }

  noteSame(): void {
    this.staleUsed = true;
  }

  /** The ticket for another backend. It keeps its arrival, and the time that was spent is gone (rule 23). */
  again(ticket: TicketSpec, attempt: Attempt): TicketSpec {
    if (!this.retrying) this.context.flights.retrying += 1;
    this.retrying = true;
    this.firstByteMsLeft -= this.context.now() - attempt.sentAtMs;
    return { ...ticket, tried: [...ticket.tried, attempt.backend] };
  }

  end(): void {
    if (this.retrying) this.context.flights.retrying -= 1;
    this.retrying = false;
  }
}
