// Tells when a backend is lost in the middle of a long change: the fleet calls it down, and it stays so. Never probes.
import type { Fleet } from '../../fleet/types.ts';

export interface LostWatch {
  readonly signal: AbortSignal;
  end(): void;
}

export function whenLost(
  fleet: Pick<Fleet, 'snapshot' | 'onChange'>,
  name: string,
  lostMsMax: number,
): LostWatch {
  const lost = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const view = fleet.snapshot().backends.find(backend => backend.spec.name === name);
    if (view !== undefined && view.state !== 'down') {
      clearTimeout(timer);
      timer = undefined;
    } else timer ??= setTimeout(() => lost.abort(new Error(`${name} is lost`)), lostMsMax);
  };
  const off = fleet.onChange(look);
  look();
  return {
    signal: lost.signal,
    end: () => {
      off();
      clearTimeout(timer);
    },
  };
}
