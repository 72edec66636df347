// A small client of the Kubernetes API for tests: plain requests, apply, get, delete, watch, as one user.
// Never caches an object and never retries: what the server said is what the test sees.
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { parseAllDocuments } from 'yaml';

export interface Credentials {
  readonly url: string;
  readonly token: string;
  /** PEM text; absent = the server's certificate is not checked. */
  readonly ca?: string;
}

export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    ownerReferences?: { uid: string; kind: string; name: string; controller?: boolean }[];
    managedFields?: { manager: string; operation: string; subresource?: string }[];
  };
  // Tests look into objects of every kind: their assertions are the check, not the compiler.
  // oxlint-disable-next-line typescript/no-explicit-any
  [field: string]: any;
}

export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name?: string;
  readonly namespace?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export class KubeError extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(what: string, answer: Answer) {
    const body = parseStatus(answer.text);
    super(`${what}: ${answer.status} ${body.message ?? answer.text}`);
    this.status = answer.status;
    this.reason = body.reason ?? '';
  }
}

function parseStatus(text: string): { message?: string; reason?: string } {
  try {
    return JSON.parse(text) as { message?: string; reason?: string };
  } catch {
    return {};
  }
}

export type PatchKind = 'merge' | 'json' | 'strategic' | 'apply';

const patchTypes: Readonly<Record<PatchKind, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject & { code?: number };
}

export class KubeClient {
  readonly credentials: Credentials;
  readonly #agent: Agent;
  readonly #discovered = new Map<string, readonly ApiResource[]>();

  constructor(credentials: Credentials) {
    this.credentials = credentials;
    const { ca } = credentials;
    this.#agent = new Agent({ connect: ca === undefined ? { rejectUnauthorized: false } : { ca } });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** The answer as it came, whatever its status. */
  async send(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer> {
    const { url, token } = this.credentials;
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      'user-agent': 'bigo-test',
      accept: 'application/json',
    };
    if (body !== undefined) headers['content-type'] = contentType ?? 'application/json';
    const sent = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
    const answer = await request(url + path, {
      method: method as 'GET',
      headers,
      dispatcher: this.#agent,
      ...(sent === undefined ? {} : { body: sent }),
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /** The object in the answer; a status of 400 and above is a KubeError. */
  async call(method: string, path: string, body?: unknown, contentType?: string): Promise<KubeObject> {
    const answer = await this.send(method, path, body, contentType);
    if (answer.status >= 400) throw new KubeError(`${method} ${path}`, answer);
    return JSON.parse(answer.text) as KubeObject;
  }

  /** The path of an object, or of its collection when it has no name. */
  async path(ref: ObjectRef): Promise<string> {
    const base = ref.apiVersion.includes('/') ? `/apis/${ref.apiVersion}` : `/api/${ref.apiVersion}`;
    const resource = await this.#resource(base, ref.kind);
    const scope = resource.namespaced && ref.namespace !== undefined ? `/namespaces/${ref.namespace}` : '';
    return `${base}${scope}/${resource.name}${ref.name === undefined ? '' : `/${ref.name}`}`;
  }

  async #resource(base: string, kind: string): Promise<ApiResource> {
    const known = this.#discovered.get(base)?.find(one => one.kind === kind);
    if (known !== undefined) return known;
    const list = (await this.call('GET', base)) as unknown as { resources: ApiResource[] };
    const whole = list.resources.filter(one => !one.name.includes('/'));
    this.#discovered.set(base, whole);
    const found = whole.find(one => one.kind === kind);
    if (found === undefined) throw new Error(`The server has no kind ${kind} in ${base}.`);
    return found;
  }

  async get(ref: ObjectRef): Promise<KubeObject> {
    return this.call('GET', await this.path(ref));
  }

  async find(ref: ObjectRef): Promise<KubeObject | undefined> {
    const answer = await this.send('GET', await this.path(ref));
    if (answer.status === 404) return undefined;
    if (answer.status >= 400) throw new KubeError(`GET ${ref.kind} ${ref.name ?? ''}`, answer);
    return JSON.parse(answer.text) as KubeObject;
  }

  /** Items of a list come without kind and apiVersion; they are put back. */
  async list(ref: ObjectRef, labelSelector = ''): Promise<KubeObject[]> {
    const query = labelSelector === '' ? '' : `?labelSelector=${encodeURIComponent(labelSelector)}`;
    const list = (await this.call('GET', (await this.path(ref)) + query)) as unknown as {
      items: KubeObject[];
    };
    return list.items.map(item => ({ apiVersion: ref.apiVersion, kind: ref.kind, ...item }));
  }

  async create(object: KubeObject): Promise<KubeObject> {
    const { name: _, ...collection } = refOf(object);
    return this.call('POST', await this.path(collection), object);
  }

  /** Server-side apply; with force, since a test wants its will. */
  async apply(object: KubeObject, fieldManager = 'test'): Promise<KubeObject> {
    const target = `${await this.path(refOf(object))}?fieldManager=${fieldManager}&force=true`;
    return this.call('PATCH', target, object, patchTypes.apply);
  }

  /** Applies every document of a YAML text; `namespace` goes to namespaced objects that name none. */
  async applyYaml(text: string, namespace?: string): Promise<KubeObject[]> {
    const applied: KubeObject[] = [];
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as KubeObject | null;
      if (object === null) continue;
      if (namespace !== undefined) object.metadata.namespace ??= namespace;
      applied.push(await this.apply(object));
    }
    return applied;
  }

  /** `subresource` is `status` or `scale`, or empty for the object itself. */
  async patch(
    ref: ObjectRef,
    body: unknown,
    how: PatchKind = 'merge',
    subresource = '',
  ): Promise<KubeObject> {
    const path = (await this.path(ref)) + (subresource === '' ? '' : `/${subresource}`);
    return this.call('PATCH', path, body, patchTypes[how]);
  }

  async delete(
    ref: ObjectRef,
    propagation: 'Background' | 'Foreground' | 'Orphan' = 'Background',
  ): Promise<void> {
    const answer = await this.send('DELETE', await this.path(ref), { propagationPolicy: propagation });
    if (answer.status >= 400 && answer.status !== 404)
      throw new KubeError(`DELETE ${ref.kind} ${ref.name ?? ''}`, answer);
  }

  /** Yields events until the server ends the watch; a refusal at once is a KubeError (410 among them). */
  async *watch(ref: ObjectRef, query: Readonly<Record<string, string>>): AsyncGenerator<WatchEvent> {
    const path = await this.path(ref);
    const words = new URLSearchParams({ watch: 'true', ...query }).toString();
    const { url, token } = this.credentials;
    const answer = await request(`${url}${path}?${words}`, {
      headers: { authorization: `Bearer ${token}`, 'user-agent': 'bigo-test' },
      dispatcher: this.#agent,
      bodyTimeout: 0,
    });
    if (answer.statusCode >= 400) {
      const text = await answer.body.text();
      throw new KubeError(`WATCH ${path}`, { status: answer.statusCode, headers: answer.headers, text });
    }
    let rest = '';
    for await (const chunk of answer.body) {
      const lines = (rest + (chunk as Buffer).toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent;
    }
  }

  /** Polls the object until `holds` is true of it, and gives it back; undefined stands for an absent object. */
  async until<T extends KubeObject | undefined>(
    ref: ObjectRef,
    holds: (object: KubeObject | undefined) => boolean,
    waitMsMax = 20_000,
  ): Promise<T> {
    const deadline = Date.now() + waitMsMax;
    for (;;) {
      const object = await this.find(ref);
      if (holds(object)) return object as T;
      if (Date.now() > deadline) {
        const last = JSON.stringify(object?.['status'] ?? object ?? 'absent').slice(0, 2_000);
        throw new Error(
          `${ref.kind} ${ref.name ?? ''} was not as awaited within ${waitMsMax} ms. Last: ${last}`,
        );
      }
      await sleep(100);
    }
  }
}

function refOf(object: KubeObject): ObjectRef {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined || kind === undefined) throw new Error('An object needs apiVersion and kind.');
  const ref = { apiVersion, kind, name: metadata.name };
  return metadata.namespace === undefined ? ref : { ...ref, namespace: metadata.namespace };
}
