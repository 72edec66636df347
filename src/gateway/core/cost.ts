// What an answer cost: the price of the machine for the time it was busy with it, shared with what ran there at the same time.
// Never a vendor's price list: tokens do not enter.

export interface CostInput {
  /** Of the backend's machine; 0 = not configured. */
  readonly dollarsPerHour: number;
  readonly busyMs: number;
  /** Requests running on the backend at the same time, this one included. */
  readonly sharers: number;
}

const msPerHour = 3_600_000;

export function costDollars(input: CostInput): number {
  const sharers = Math.max(1, input.sharers);
  return (input.dollarsPerHour * Math.max(0, input.busyMs)) / msPerHour / sharers;
}
