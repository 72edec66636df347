// An API server in this process, for faults at one exact call: lists in pages, watches, applies, conflicts, expires.
// Never the referee: what it says is checked against the real server by the same contract suite.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApplyConflict } from './apply.ts';
import type { Fields } from './fields.ts';
import { type FakeCall, isSelected, type Route, routeOf } from './route.ts';
import { meta, type ObjectName, Refusal, Store } from './store.ts';
import { answerWatch, type OpenWatch } from './watch.ts';

/** `reset` cuts the connection before anything is done; `lost` after it was done, so that only the answer is missing. */
export type FakeFault =
  | { readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number }
  | 'reset'
  | 'lost';

export interface FakeKubeApi {
  readonly url: string;
  readonly store: Store;
  readonly calls: FakeCall[];
  readonly watches: Set<OpenWatch>;
  /** Asked before each call; `undefined` = serve it. */
  fault: (call: FakeCall) => FakeFault | undefined;
  /** When set, other tokens get 401. */
  token: string | undefined;
  /** Group-versions that discovery and collections do not know. */
  readonly unknownApis: Set<string>;
  writes(): FakeCall[];
  close(): Promise<void>;
}

export async function startFakeKubeApi(): Promise<FakeKubeApi> {
  const api = new FakeServer();
  await new Promise<void>(resolve => api.server.listen(0, '127.0.0.1', resolve));
  return api;
}

class FakeServer implements FakeKubeApi {
  readonly store = new Store();
  readonly calls: FakeCall[] = [];
  readonly watches = new Set<OpenWatch>();
  readonly unknownApis = new Set<string>();
  fault: (call: FakeCall) => FakeFault | undefined = () => undefined;
  token: string | undefined;
  readonly server = http.createServer((req, res) => void this.serve(req, res));

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  writes(): FakeCall[] {
    return this.calls.filter(call => call.isWrite);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }

  private async serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const call = callOf(req);
    const body = await readBody(req);
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault === 'reset') return void req.socket.destroy();
    try {
      if (this.token !== undefined && req.headers.authorization !== `Bearer ${this.token}`) {
        throw new Refusal(401, 'Unauthorized', 'Unauthorized');
      }
      if (typeof fault === 'object') return this.refuse(res, fault);
      const route = routeOf(call.path);
      if (route === undefined || this.unknownApis.has(route.api))
        throw new Refusal(404, 'NotFound', 'no such path');
      if (call.isWatch) return answerWatch({ store: this.store, watches: this.watches, call, route, res });
      const answer = this.answer(call, route, body);
      if (fault === 'lost') return void req.socket.destroy();
      send(res, req.method === 'POST' ? 201 : 200, answer);
    } catch (error) {
      this.failed(res, error);
    }
  }

  private answer(call: FakeCall, route: Route, body: Fields): Fields {
    const { store } = this;
    if (route.name === '') return route.collection === '' ? {} : this.collection(call, route, body);
    const at = route as ObjectName;
    const by = managerOf(call, route, 'Update');
    if (call.method === 'GET') return store.get(at);
    if (call.method === 'PUT') return store.replace(at, body, by);
    if (call.method === 'DELETE') {
      const uid = (body['preconditions'] as Fields | undefined)?.['uid'];
      store.delete(at, {
        orphans: body['propagationPolicy'] === 'Orphan',
        ...(typeof uid === 'string' ? { uid } : {}),
      });
      return { kind: 'Status', status: 'Success' };
    }
    if (call.headers['content-type'] === 'application/merge-patch+json')
      return store.mergePatch(at, body, by);
    const force = call.query.get('force') === 'true';
    return store.apply(at, body, { by: managerOf(call, route, 'Apply'), force });
  }

  private collection(call: FakeCall, route: Route, body: Fields): Fields {
    if (call.method === 'POST') {
      const metadata = meta(body);
      const { name } = metadata as { name: string };
      return this.store.create({ ...route, name }, body, managerOf(call, route, 'Update'));
    }
    return this.page(call, route);
  }

  /** The continue token is the version of the first page and how many were given. */
  private page({ query }: FakeCall, route: Route): Fields {
    const [since = '', given = '0'] = (query.get('continue') ?? '').split(':');
    if (since !== '' && Number(since) < this.store.oldest)
      throw new Refusal(410, 'Expired', 'the continue token is too old');
    const all = this.store
      .list(route.collection, route.namespace)
      .filter(object => isSelected(object, query));
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const from = Number(given);
    const rest = all.length > from + limit;
    const version = since === '' ? String(this.store.version) : since;
    return {
      metadata: { resourceVersion: version, ...(rest ? { continue: `${version}:${from + limit}` } : {}) },
      items: all.slice(from, from + limit),
    };
  }

  private refuse(
    res: http.ServerResponse,
    fault: { status: number; reason?: string; retryAfterSeconds?: number },
  ): void {
    if (fault.retryAfterSeconds !== undefined) res.setHeader('retry-after', String(fault.retryAfterSeconds));
    send(res, fault.status, statusBody(fault.status, fault.reason ?? '', `injected ${fault.status}`));
  }

  private failed(res: http.ServerResponse, error: unknown): void {
    if (error instanceof Refusal)
      return send(res, error.code, statusBody(error.code, error.reason, error.message));
    if (error instanceof ApplyConflict) return send(res, 409, statusBody(409, 'Conflict', error.message));
    send(res, 500, statusBody(500, 'InternalError', String(error)));
  }
}

function callOf(req: http.IncomingMessage): FakeCall {
  const url = new URL(req.url ?? '/', 'http://fake');
  const method = req.method ?? 'GET';
  return {
    method,
    path: url.pathname,
    query: url.searchParams,
    headers: req.headers,
    isWatch: url.searchParams.get('watch') === 'true',
    isWrite: method !== 'GET',
  };
}

function managerOf({ query, headers }: FakeCall, route: Route, operation: 'Apply' | 'Update') {
  const agent = (headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  return { name: query.get('fieldManager') ?? agent, operation, subresource: route.subresource };
}

async function readBody(req: http.IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString('utf8')) as Fields);
}

function send(res: http.ServerResponse, code: number, body: Fields): void {
  res.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function statusBody(code: number, reason: string, message: string): Fields {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}
