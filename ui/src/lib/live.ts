// What the whole page knows: who we are, and what the manager's events told last. Never asks for what events bring.
import { reactive } from 'vue';
import { ApiError, ask, lines, open } from './api.ts';
import type { Fleet, Pull, RequestRow, Stats } from './types.ts';

export interface GatewaySight {
  /** Gateways of one fleet look at the same backends. */
  fleetName: string;
  url: string;
  error: string;
  fleet: Fleet | undefined;
}

export const live = reactive({
  who: undefined as { tenant: string; role: 'user' | 'admin' | 'none'; keys: boolean } | undefined,
  whoError: '',
  /** connecting = not yet; open; lost = it was open, or the gateway does not answer. */
  connection: 'connecting' as 'connecting' | 'open' | 'lost',
  lastAt: '',
  gateways: {} as Record<string, GatewaySight>,
  stats: {} as Record<string, Stats>,
  rates: [] as number[],
  requests: [] as RequestRow[],
  pulls: [] as Pull[],
});

const requestsMax = 1_000;
const ratesMax = 60;
const silenceMsMax = 30_000;
const againMs = [500, 1_000, 2_000, 5_000];

let stop: AbortController | undefined;

/** Asks who we are until somebody answers, then follows the events if we may. */
export async function connect(): Promise<void> {
  stop?.abort();
  stop = new AbortController();
  const { signal } = stop;
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      live.who = await ask('/whoami', { signal });
      live.whoError = '';
      if (live.who?.role !== 'admin') {
        live.connection = 'open';
        return;
      }
      tries = (await follow(signal)) ? 0 : tries;
    } catch (error) {
      if (signal.aborted) return;
      live.whoError = (error as Error).message;
    }
    if (!signal.aborted) live.connection = 'lost';
    await pause(againMs[Math.min(tries, againMs.length - 1)] ?? 5_000, signal);
  }
}

/** True when at least one event came. */
async function follow(signal: AbortSignal): Promise<boolean> {
  const quiet = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), silenceMsMax);
  };
  let came = false;
  try {
    const response = await open('/events', { signal: AbortSignal.any([signal, quiet.signal]) });
    let name = '';
    heard();
    for await (const line of lines(response)) {
      heard();
      if (line.startsWith('event: ')) name = line.slice(7);
      if (!line.startsWith('data: ')) continue;
      came = true;
      live.connection = 'open';
      live.lastAt = new Date().toISOString();
      take(name, JSON.parse(line.slice(6)));
    }
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) live.who = undefined;
    live.whoError = (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
  return came;
}

function take(name: string, value: any): void {
  if (name === 'fleet') {
    const { gateway, fleetName = gateway, url, error, fleet } = value;
    live.gateways[gateway] = { fleetName, url, error, fleet: fleet ?? undefined };
  } else if (name === 'gateways') {
    for (const gone of Object.keys(live.gateways).filter(known => !value.names.includes(known))) {
      delete live.gateways[gone];
      delete live.stats[gone];
    }
  } else if (name === 'stats') {
    const { gateway, ...stats } = value;
    live.stats[gateway] = stats;
    live.rates = [...live.rates, totalRate()].slice(-ratesMax);
  } else if (name === 'pulls') {
    live.pulls = value.pulls;
  } else if (name === 'requests') {
    takeRequests(value.gateway, value.rows, value.whole);
  }
}

function takeRequests(gateway: string, rows: RequestRow[], whole: boolean): void {
  const added = rows.map(row => ({ ...row, gateway }));
  const ids = new Set(added.map(row => row.id));
  const kept = live.requests.filter(row => !ids.has(row.id) && !(whole && row.gateway === gateway));
  live.requests = [...added, ...kept].sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, requestsMax);
}

function totalRate(): number {
  return Object.values(live.stats).reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
