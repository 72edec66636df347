// Whether the pod may end: (what the gateways say, who is connected) -> verdict. Never cuts anything.
import { isSelf } from './proc-net.ts';

export interface GatewayLook {
  readonly address: string;
  /** Requests that it has running on this pod; undefined = it does not answer. */
  readonly inFlight: number | undefined;
  /** Times in a row that it did not answer. */
  readonly silences: number;
}

export interface DrainLook {
  readonly gateways: readonly GatewayLook[];
  /** The other ends of the connections to Ollama. */
  readonly remotes: readonly string[];
}

export interface DrainView {
  readonly inFlight: number;
  readonly direct: number;
  /** Gateways that may still have requests here but do not say. */
  readonly silent: number;
}

/** A gateway that is gone for so many looks has no streams but those of open connections, which are counted as direct ones. */
const silencesToGone = 5;
/** A request can come between two looks: only so many quiet ones in a row count. */
const quietLooksNeeded = 2;

/** Gateways keep idle connections open, so theirs say nothing: what they report counts instead. */
export function drainView(look: DrainLook): DrainView {
  const trusted = look.gateways.filter(gateway => gateway.silences < silencesToGone);
  const addresses = new Set(trusted.map(gateway => gateway.address));
  const direct = look.remotes.filter(remote => !isSelf(remote) && !addresses.has(remote)).length;
  return {
    inFlight: trusted.reduce((sum, gateway) => sum + (gateway.inFlight ?? 0), 0),
    direct,
    silent: trusted.filter(gateway => gateway.inFlight === undefined).length,
  };
}

export function isQuiet(view: DrainView): boolean {
  return view.inFlight === 0 && view.direct === 0 && view.silent === 0;
}

export type DrainEnd = 'drained' | 'expired';

/** Undefined: wait and look again. */
export function verdict(
  quietLooks: number,
  at: { readonly nowMs: number; readonly deadlineMs: number },
): DrainEnd | undefined {
  if (quietLooks >= quietLooksNeeded) return 'drained';
  return at.nowMs >= at.deadlineMs ? 'expired' : undefined;
}
