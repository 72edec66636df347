// Which loaded model gives way, and when a model's time is over (ollama server/sched.go). Never unloads anything itself.

export interface Resident {
  readonly key: string;
  readonly name: string;
  readonly inUse: number;
  readonly keepAliveMs: number;
}

/** Shortest keep-alive first, then name; the first idle one, else the first: it goes when its requests end. */
export function chooseVictim<T extends Resident>(residents: readonly T[]): T | undefined {
  const order = [...residents].sort((a, b) => a.keepAliveMs - b.keepAliveMs || (a.name < b.name ? -1 : 1));
  return order.find(resident => resident.inUse === 0) ?? order[0];
}

export type IdleStep = { readonly unload: true } | { readonly unload: false; readonly expiresAtMs: number };

/** What happens when a model's last request ended. */
export function whenIdle(keepAliveMs: number, nowMs: number): IdleStep {
  return keepAliveMs <= 0 ? { unload: true } : { unload: false, expiresAtMs: nowMs + keepAliveMs };
}
