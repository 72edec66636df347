// The agent's port: probes, drain, doubts, status, metrics. Never offers anything that changes a model.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomUUID } from 'node:crypto';
import { modelKey } from '../api/names.ts';
import type { HostPort } from '../api/settings.ts';
import { HttpServer } from '../platform/http-server.ts';
import type { MetricsText } from '../platform/metrics.ts';

export interface ServedAgent {
  readonly isAlive: () => boolean;
  /** Undefined = ready; else why not. */
  readonly notReady: () => string | undefined;
  readonly status: () => object;
  readonly drain: () => Promise<object>;
  /** False: there is no such model here. */
  readonly doubt: (model: string) => Promise<boolean>;
  readonly exporter: MetricsText;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type: string;
}

const receiveMsMax = 10_000;
const connectionsMax = 128;

export class AgentServer {
  readonly #agent: ServedAgent;
  readonly #server: HttpServer;

  constructor(agent: ServedAgent) {
    this.#agent = agent;
    this.#server = new HttpServer({
      receiveMsMax,
      connectionsMax,
      nextRequestId: () => randomUUID(),
      onRequest: (req, res) => void this.#handle(req, res),
    });
  }

  listen(at: HostPort): Promise<string> {
    return this.#server.listen(at);
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    req.resume();
    const url = new URL(req.url ?? '/', 'http://agent');
    const answer = await this.#route(req.method ?? '', url).catch((error: unknown) =>
      json(500, { error: error instanceof Error ? error.message : 'it failed' }),
    );
    res.writeHead(answer.status, {
      'content-type': answer.type,
      'content-length': Buffer.byteLength(answer.body),
      'cache-control': 'no-store',
    });
    res.end(req.method === 'HEAD' ? undefined : answer.body);
  }

  async #route(method: string, url: URL): Promise<Answer> {
    const isRead = method === 'GET' || method === 'HEAD';
    // A kubelet's preStop hook can only GET.
    if (url.pathname === '/drain' && (method === 'GET' || method === 'POST'))
      return json(200, await this.#agent.drain());
    if (url.pathname === '/verify' && method === 'POST') return this.#verify(url);
    if (!isRead) return json(405, { error: `${url.pathname} takes GET.` });
    switch (url.pathname) {
      case '/livez':
        return this.#agent.isAlive() ? text(200, 'ok\n') : text(503, 'the agent stands still\n');
      case '/readyz': {
        const why = this.#agent.notReady();
        return why === undefined ? text(200, 'ready\n') : text(503, `not ready: ${why}\n`);
      }
      case '/status':
        return json(200, this.#agent.status());
      case '/metrics': {
        const { exporter } = this.#agent;
        return { status: 200, body: await exporter.text(), type: exporter.contentType };
      }
      default:
        return json(404, { error: 'The agent has /livez, /readyz, /status, /metrics, /drain and /verify.' });
    }
  }

  async #verify(url: URL): Promise<Answer> {
    const model = url.searchParams.get('model') ?? '';
    if (modelKey(model) === undefined) return json(400, { error: 'Name a model: POST /verify?model=NAME.' });
    const isKnown = await this.#agent.doubt(model);
    return isKnown ? json(202, { model }) : json(404, { error: `There is no model ${model} here.` });
  }
}

function json(status: number, value: object): Answer {
  return { status, body: JSON.stringify(value), type: 'application/json; charset=utf-8' };
}

function text(status: number, body: string): Answer {
  return { status, body, type: 'text/plain; charset=utf-8' };
}
