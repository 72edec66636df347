// The Kubernetes API as BigO uses it: read, list in pages, watch, apply, update, delete. Each call is one request, but for one repeat after 401.
// Never caches, retries or waits: that belongs to the reflector and the queue.
import type { Dispatcher } from 'undici';
import type { KubeObject } from '../../api/kube-object.ts';
import { credentialsOf, type Credentials } from './credentials.ts';
import { KubeError, type KubeStatus, retryAfterMs, unreachable } from './kube-error.ts';
import type { KubeAccess } from './kubeconfig.ts';
import { collectionPath, type KubeKind, type KubeRef, objectPath, queryText } from './paths.ts';
import { Agent, request, Stop } from '../undici.ts';
import { readWatch, type WatchEvent } from './watch-stream.ts';

export interface KubeScope {
  readonly kind: KubeKind;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface KubeList {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  readonly continueToken?: string;
}

export interface KubeWatchOptions {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  /** Silence after which the connection counts as dead. */
  readonly idleMsMax: number;
  readonly signal: AbortSignal;
}

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Take fields from others; without it their values are a 409. */
  readonly force: boolean;
  readonly subresource?: string;
}

export interface DeleteOptions {
  readonly uid?: string;
  readonly propagation: 'Background' | 'Orphan';
  /** 0 = gone at once, also where no kubelet says so; absent = as the object says. */
  readonly graceSeconds?: number;
}

export interface KubeClient {
  readonly server: string;
  get(ref: KubeRef): Promise<KubeObject>;
  list(
    scope: KubeScope,
    page: { readonly limit: number; readonly continueToken?: string },
  ): Promise<KubeList>;
  watch(scope: KubeScope, options: KubeWatchOptions): AsyncIterable<WatchEvent>;
  create(kind: KubeKind, object: KubeObject): Promise<KubeObject>;
  /** PUT with the resourceVersion of `object`: 409 when somebody was faster. */
  replace(kind: KubeKind, object: KubeObject): Promise<KubeObject>;
  /** Server-side apply; a field that is not known to the server is a 400. */
  apply(kind: KubeKind, object: KubeObject, options: ApplyOptions): Promise<KubeObject>;
  /** Merge patch, for single fields of objects that we do not own. */
  merge(ref: KubeRef, patch: object, fieldManager: string, subresource?: string): Promise<KubeObject>;
  delete(ref: KubeRef, options: DeleteOptions): Promise<void>;
  /** GET of a path that is no object, e.g. `/apis/GROUP/VERSION`; more headers are for what the API server passes on. */
  getPath(path: string, headers?: Readonly<Record<string, string>>): Promise<unknown>;
  /** GET of a path whose answer is text without end, such as the log of a pod. */
  streamPath(path: string, signal: AbortSignal): AsyncIterable<string>;
  close(): Promise<void>;
}

export interface KubeClientOptions {
  readonly userAgent: string;
  readonly nowMs: () => number;
  /** One request but a watch, from its start to the end of its answer. */
  readonly requestMsMax: number;
}

const answerBytesMax = 64 * 1024 * 1024;
const connectMsMax = 5_000;

interface Call {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | Stop;
}

export function createKubeClient(access: KubeAccess, options: KubeClientOptions): KubeClient {
  const wire = new Wire(access, options);
  const fields = (kind: KubeKind) => ({ apiVersion: kind.apiVersion, kind: kind.kind });
  return {
    server: access.server,
    get: async ref => (await wire.json({ method: 'GET', path: objectPath(ref) })) as KubeObject,
    list: (scope, page) => list(wire, scope, page),
    watch: (scope, watching) => watch(wire, scope, watching),
    create: async (kind, object) =>
      (await wire.json({
        method: 'POST',
        path: collectionPath(kind, object.metadata.namespace),
        body: object,
      })) as KubeObject,
    replace: async (kind, object) =>
      (await wire.json({ method: 'PUT', path: objectPath(refOf(kind, object)), body: object })) as KubeObject,
    apply: async (kind, object, { fieldManager, force, subresource }) =>
      (await wire.json({
        method: 'PATCH',
        path:
          objectPath(refOf(kind, object), subresource) +
          queryText({ fieldManager, force, fieldValidation: 'Strict' }),
        body: { ...object, ...fields(kind) },
        contentType: 'application/apply-patch+yaml',
      })) as KubeObject,
    merge: async (ref, patch, fieldManager, subresource) =>
      (await wire.json({
        method: 'PATCH',
        path: objectPath(ref, subresource) + queryText({ fieldManager }),
        body: patch,
        contentType: 'application/merge-patch+json',
      })) as KubeObject,
    delete: async (ref, { uid, propagation, graceSeconds }) => {
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      const body = {
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        propagationPolicy: propagation,
        ...preconditions,
        ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
      };
      await wire.json({ method: 'DELETE', path: objectPath(ref), body });
    },
    getPath: (path, headers) =>
      wire.json({ method: 'GET', path, ...(headers === undefined ? {} : { headers }) }),
    streamPath: (path, signal) => wire.stream({ method: 'GET', path, signal }),
    close: () => wire.agent.destroy(),
  };
}

function refOf(kind: KubeKind, object: KubeObject): KubeRef {
  return { kind, namespace: object.metadata.namespace, name: object.metadata.name };
}

interface RawList {
  readonly items?: readonly KubeObject[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

async function list(
  wire: Wire,
  { kind, namespace, labelSelector, fieldSelector }: KubeScope,
  page: { readonly limit: number; readonly continueToken?: string },
): Promise<KubeList> {
  const query = queryText({ labelSelector, fieldSelector, limit: page.limit, continue: page.continueToken });
  const raw = (await wire.json({ method: 'GET', path: collectionPath(kind, namespace) + query })) as RawList;
  const token = raw.metadata?.continue ?? '';
  return {
    // Items of a list come without kind; everything else here counts on it.
    items: (raw.items ?? []).map(item => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })),
    resourceVersion: raw.metadata?.resourceVersion ?? '',
    ...(token === '' ? {} : { continueToken: token }),
  };
}

async function* watch(
  wire: Wire,
  { kind, namespace, labelSelector, fieldSelector }: KubeScope,
  { resourceVersion, timeoutSeconds, idleMsMax, signal }: KubeWatchOptions,
): AsyncGenerator<WatchEvent> {
  const query = queryText({
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion,
    timeoutSeconds,
    labelSelector,
    fieldSelector,
  });
  const path = collectionPath(kind, namespace) + query;
  yield* readWatch({ idleMsMax, signal, open: inner => wire.open({ method: 'GET', path, signal: inner }) });
}

/** Requests with who we are; answers with a status of 400 or more become KubeErrors. */
class Wire {
  readonly agent: Agent;
  private readonly access: KubeAccess;
  private readonly options: KubeClientOptions;
  private readonly credentials: Credentials;

  constructor(access: KubeAccess, options: KubeClientOptions) {
    this.access = access;
    this.options = options;
    this.credentials = credentialsOf(access, options.nowMs);
    const { ca, cert, key, serverName, skipsVerification } = access;
    this.agent = new Agent({
      headersTimeout: 0,
      bodyTimeout: 0,
      connections: 128,
      connect: {
        timeout: connectMsMax,
        rejectUnauthorized: !skipsVerification,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(serverName === undefined ? {} : { servername: serverName }),
      },
    });
  }

  /** The head has come, and it was good. */
  async open(call: Call): Promise<Dispatcher.ResponseData> {
    const first = await this.send(call);
    const answer =
      first.statusCode === 401 && (await this.credentials.refused())
        ? await first.body.dump().then(() => this.send(call))
        : first;
    if (answer.statusCode >= 400) throw await this.failure(answer);
    return answer;
  }

  async json(call: Call): Promise<unknown> {
    const stop = new Stop();
    const { requestMsMax } = this.options;
    const late = (): void => stop.abort(new Error(`not within ${requestMsMax / 1000} s`));
    const timer = setTimeout(late, requestMsMax).unref();
    try {
      const answer = await this.open({ ...call, signal: stop });
      return JSON.parse(await this.text(answer)) as unknown;
    } finally {
      clearTimeout(timer);
    }
  }

  async *stream(call: Call & { readonly signal: AbortSignal }): AsyncGenerator<string> {
    const { body } = await this.open(call);
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) yield decoder.decode(chunk, { stream: true });
    } catch (error) {
      if (!call.signal.aborted) throw unreachable(this.access.server, error);
    }
  }

  private async send(call: Call): Promise<Dispatcher.ResponseData> {
    const authorization = await this.credentials.header();
    try {
      return await request(this.agent, this.access.server + call.path, {
        method: call.method,
        headers: {
          accept: 'application/json',
          'user-agent': this.options.userAgent,
          ...(authorization === undefined ? {} : { authorization }),
          ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
          ...call.headers,
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
    } catch (error) {
      throw unreachable(this.access.server, error);
    }
  }

  private async text(answer: Dispatcher.ResponseData): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > answerBytesMax) throw new RangeError(`an answer over ${answerBytesMax} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw unreachable(this.access.server, error);
    }
    return Buffer.concat(chunks, bytes).toString('utf8');
  }

  private async failure(answer: Dispatcher.ResponseData): Promise<KubeError> {
    const text = await this.text(answer).catch(() => '');
    return new KubeError(answer.statusCode, parseStatus(text), retryAfterMs(answer.headers['retry-after']));
  }
}

/** Proxies and overloaded servers answer with plain text. */
function parseStatus(text: string): KubeStatus {
  try {
    const status = JSON.parse(text) as KubeStatus;
    if (status.kind === 'Status') return status;
  } catch {
    // Not JSON: the text itself is the message.
  }
  return text.trim() === '' ? {} : { message: text.trim().slice(0, 500) };
}
