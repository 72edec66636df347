// The operator's own address: /healthz, /readyz, /metrics. Also served while another operator leads; never anything of the cluster.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import type { HostPort } from '../api/settings.ts';
import { HttpServer } from '../platform/http-server.ts';
import type { MetricsText } from '../platform/metrics.ts';

export interface AdminOptions {
  readonly at: HostPort;
  readonly metrics: MetricsText;
  /** Every cache was filled once; says what is missing. */
  readonly notReady: () => string | undefined;
}

export interface RunningAdmin {
  readonly url: string;
  close(): Promise<void>;
}

export async function startAdmin({ at, metrics, notReady }: AdminOptions): Promise<RunningAdmin> {
  const server = new HttpServer({
    receiveMsMax: 10_000,
    connectionsMax: 256,
    nextRequestId: randomUUID,
    onRequest: (req, res) => void answer(req, res, { metrics, notReady }),
  });
  const url = await server.listen(at);
  return { url, close: () => server.close() };
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  { metrics, notReady }: Pick<AdminOptions, 'metrics' | 'notReady'>,
): Promise<void> {
  const path = new URL(req.url ?? '/', 'http://operator').pathname;
  if (req.method !== 'GET' && req.method !== 'HEAD') return text(res, 405, 'only GET is served');
  if (path === '/healthz') return text(res, 200, 'ok');
  if (path === '/readyz') {
    const missing = notReady();
    return text(res, missing === undefined ? 200 : 503, missing ?? 'ok');
  }
  if (path !== '/metrics') return text(res, 404, 'there are /healthz, /readyz and /metrics');
  res.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text());
}

function text(res: ServerResponse, code: number, body: string): void {
  res.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\n`);
}
