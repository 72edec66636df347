// What time it is at the API server, from the Date header of any answer. Never sends who we are: a refusal has the header too.
import { Agent, request } from 'undici';
import type { KubeAccess } from '../../platform/kube/kubeconfig.ts';

export interface ServerTime {
  readonly serverMs: number;
  /** How far this machine's clock is ahead. */
  readonly aheadMs: number;
}

const answerMsMax = 5_000;

/** Undefined when nothing came: whoever speaks to the server next says why. */
export async function serverTime(access: KubeAccess): Promise<ServerTime | undefined> {
  const { ca, serverName, skipsVerification } = access;
  const agent = new Agent({
    connect: {
      timeout: answerMsMax,
      rejectUnauthorized: !skipsVerification,
      ...(ca === undefined ? {} : { ca }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
  });
  try {
    const signal = AbortSignal.timeout(answerMsMax);
    const before = Date.now();
    const { headers, body } = await request(`${access.server}/version`, { dispatcher: agent, signal });
    const after = Date.now();
    await body.dump();
    const serverMs = Date.parse(String(headers['date'] ?? ''));
    return Number.isNaN(serverMs) ? undefined : { serverMs, aheadMs: ahead(serverMs, { before, after }) };
  } catch {
    return undefined;
  } finally {
    await agent.destroy();
  }
}

/** The header is cut to seconds, and was written somewhere between question and answer. */
function ahead(serverMs: number, { before, after }: { before: number; after: number }): number {
  if (before > serverMs + 999) return before - (serverMs + 999);
  return after < serverMs ? after - serverMs : 0;
}
