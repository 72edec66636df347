// A model registry, as `ollama pull 127.0.0.1:PORT/library/NAME:TAG` wants it: manifests and blobs over HTTP, or HTTPS for pods.
// It can be slow, cut off, redirecting, failing or lying, by order of a test. Never listens beyond loopback or a test's own network.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256File } from '../../scripts/fetch/cache.ts';

export interface RegistryModel {
  /** Bytes of a GGUF file, or its path. */
  readonly gguf: Uint8Array | string;
  readonly template?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Enough for a client to read what it was sent. */
const readMs = 500;

/** What goes wrong with a blob, or with the manifest of a model. Several may be combined. */
export interface Fault {
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  /** The connection breaks after so many bytes of a body. */
  readonly cutAfterBytes?: number;
  readonly status?: number;
  /**
   * Where a blob's request is sent on to. Ollama itself insists on a redirect to another host name, as large
   * registries do, so `storage` is what happens without a fault; `loop` never ends, `none` answers at once.
   */
  readonly redirect?: 'storage' | 'sameHost' | 'loop' | 'none';
  /** One byte of the body is another one, so the digest does not fit. */
  readonly wrongByte?: true;
  /** Content-Length and Content-Range claim so many bytes more than there are. */
  readonly claimMoreBytes?: number;
  /** The fault is over after so many bodies or failures; without this it stays. */
  readonly times?: number;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
}

interface Blob {
  readonly bytes: Buffer | string;
  readonly size: number;
}

const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  model: 'application/vnd.ollama.image.model',
  template: 'application/vnd.ollama.image.template',
  parameters: 'application/vnd.ollama.image.params',
  files: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Where pods reach it: Ollama insists on TLS, and on a second name of the same place to be sent on to. */
export interface RegistryPlace {
  readonly address: string;
  readonly port: number;
  /** Leads to the address, in the eyes of those who pull. */
  readonly name: string;
  readonly tls: { readonly key: string; readonly cert: string };
}

export async function startRegistry(place?: RegistryPlace): Promise<Registry> {
  const registry = new Registry(place);
  await registry.listen();
  return registry;
}

export class Registry {
  readonly requests: SeenRequest[] = [];
  readonly #manifests = new Map<string, Buffer>();
  readonly #blobs = new Map<string, Blob>();
  readonly #faults = new Map<string, { fault: Fault; left: number }>();
  readonly #place: RegistryPlace | undefined;
  readonly #server: Server;

  constructor(place?: RegistryPlace) {
    this.#place = place;
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#serve(request, response).catch(() => response.destroy());
    this.#server = place === undefined ? createServer(serve) : createTlsServer(place.tls, serve);
  }

  async listen(): Promise<void> {
    const { port = 0, address = '127.0.0.1' } = this.#place ?? {};
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, address, resolve);
    });
  }

  /** `127.0.0.1:PORT`, to be put before the model's name. */
  get host(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#place?.name ?? '127.0.0.1'}:${port}`;
  }

  /** The same place under another name. */
  get #storage(): string {
    const { port } = this.#server.address() as AddressInfo;
    return this.#place === undefined ? `http://localhost:${port}` : `https://${this.#place.address}:${port}`;
  }

  /** `name` as in `library/smollm2:135m`; returns the digest of the model's weights. */
  async addModel(name: string, model: RegistryModel): Promise<string> {
    const weights = await this.#addWeights(model.gguf);
    const layers = [weights];
    if (model.template !== undefined) layers.push(this.#addBytes(types.template, model.template));
    if (model.parameters !== undefined) {
      layers.push(this.#addBytes(types.parameters, JSON.stringify(model.parameters)));
    }
    const description = {
      model_format: 'gguf',
      model_family: 'llama',
      model_families: ['llama'],
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.digest) },
    };
    const config = this.#addBytes(types.config, JSON.stringify(description));
    const manifest = { schemaVersion: 2, mediaType: types.manifest, config, layers };
    this.#manifests.set(name, Buffer.from(JSON.stringify(manifest)));
    return weights.digest;
  }

  /** A container image, for what runs containers: `name` as in `curlimages/curl:latest`; the files of an archive. */
  async addImage(
    name: string,
    image: { readonly config: string; readonly layers: readonly string[] },
  ): Promise<void> {
    const config = await this.#addFile(types.config, image.config);
    const layers = await Promise.all(image.layers.map(file => this.#addFile(types.files, file)));
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: types.manifest, config, layers }),
    );
    const digest = createHash('sha256').update(bytes).digest('hex');
    this.#manifests.set(name, bytes);
    // Asked for by its tag first, then by what that stood for.
    this.#manifests.set(`${name.replace(/:[^:/]*$/, '')}:sha256:${digest}`, bytes);
  }

  #addWeights(gguf: Uint8Array | string): Promise<Layer> | Layer {
    if (typeof gguf !== 'string') return this.#addBytes(types.model, gguf);
    return this.#addFile(types.model, gguf);
  }

  async #addFile(mediaType: string, file: string): Promise<Layer> {
    const layer = { mediaType, digest: `sha256:${await sha256File(file)}`, size: (await stat(file)).size };
    this.#blobs.set(layer.digest, { bytes: file, size: layer.size });
    return layer;
  }

  #addBytes(mediaType: string, content: Uint8Array | string): Layer {
    const bytes = Buffer.from(content as Uint8Array);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.#blobs.set(digest, { bytes, size: bytes.length });
    return { mediaType, digest, size: bytes.length };
  }

  /** `what` is a digest, or the name of a model for its manifest; undefined ends a fault. */
  setFault(what: string, fault: Fault | undefined): void {
    if (fault === undefined) this.#faults.delete(what);
    else this.#faults.set(what, { fault, left: fault.times ?? Infinity });
  }

  #takeFault(what: string): Fault {
    const entry = this.#faults.get(what);
    if (entry === undefined || entry.left <= 0) return {};
    entry.left--;
    return entry.fault;
  }

  /** The request that is only sent on uses up none of a fault's times. */
  #faultOf(request: IncomingMessage, digest: string): Fault {
    const entry = this.#faults.get(digest);
    const sentOn = request.url?.startsWith('/v2') === true && entry?.fault.redirect !== 'none';
    if (entry === undefined || !sentOn || entry.fault.status !== undefined) return this.#takeFault(digest);
    return entry.left > 0 ? entry.fault : {};
  }

  #redirect(response: ServerResponse, how: Fault['redirect'], digest: string): void {
    const same = `${this.#place === undefined ? 'http' : 'https'}://${this.host}`;
    const base = how === 'storage' ? this.#storage : same;
    response.writeHead(307, { Location: `${base}/direct/${digest}`, 'Content-Length': 0 }).end();
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    this.requests.push({ method, path: url, range: request.headers.range });
    // A mirror is told whose place it takes.
    const at = url.replace(/\?ns=.*$/, '');
    const manifest = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(at);
    if (manifest !== null) return this.#manifest(`${manifest[1]}:${manifest[2]}`, response);
    const blob = /^\/(v2\/.+\/blobs|direct)\/(sha256:[0-9a-f]{64})$/.exec(at);
    if (blob !== null) return this.#blob(request, response, blob[2] ?? '');
    fail(response, 404, 'NAME_UNKNOWN');
  }

  async #manifest(name: string, response: ServerResponse): Promise<void> {
    const fault = this.#takeFault(name);
    await sleep(fault.delayMs ?? 0);
    const body = this.#manifests.get(name);
    if (fault.status !== undefined) return fail(response, fault.status, 'UNAVAILABLE');
    if (body === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN');
    response.writeHead(200, { 'Content-Type': types.manifest, 'Content-Length': body.length }).end(body);
  }

  async #blob(request: IncomingMessage, response: ServerResponse, digest: string): Promise<void> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) return fail(response, 404, 'BLOB_UNKNOWN');
    const head = request.method === 'HEAD';
    const fault = head ? {} : this.#faultOf(request, digest);
    await sleep(fault.delayMs ?? 0);
    if (fault.status !== undefined) return fail(response, fault.status, 'UNAVAILABLE');
    const redirect = fault.redirect ?? 'storage';
    const direct = request.url?.startsWith('/direct') === true;
    if (!head && redirect !== 'none' && (redirect === 'loop' || !direct))
      return this.#redirect(response, redirect, digest);
    const { from, to, partial } = rangeOf(request.headers.range, blob.size);
    const length = to - from + 1 + (fault.claimMoreBytes ?? 0);
    response.writeHead(partial ? 206 : 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': length,
      'Accept-Ranges': 'bytes',
      ...(partial ? { 'Content-Range': `bytes ${from}-${to}/${blob.size}` } : {}),
    });
    if (head) response.end();
    else await send(response, fault, bytesOf(blob, from, to));
  }
}

function fail(response: ServerResponse, status: number, code: string): void {
  const body = JSON.stringify({ errors: [{ code, message: code.toLowerCase().replace('_', ' ') }] });
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
}

function rangeOf(header: string | undefined, size: number): { from: number; to: number; partial: boolean } {
  const found = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (found === null) return { from: 0, to: size - 1, partial: false };
  const to = found[2] === '' ? size - 1 : Math.min(Number(found[2]), size - 1);
  return { from: Number(found[1]), to, partial: true };
}

function bytesOf(blob: Blob, from: number, to: number): Readable {
  if (typeof blob.bytes === 'string') return createReadStream(blob.bytes, { start: from, end: to });
  return Readable.from([blob.bytes.subarray(from, to + 1)]);
}

/** Writes in pieces small enough that a slow body is evenly slow and a cut falls where it was ordered. */
async function send(response: ServerResponse, fault: Fault, source: Readable): Promise<void> {
  const pieceBytes =
    fault.bytesPerSecond === undefined ? 1 << 16 : Math.max(1, Math.ceil(fault.bytesPerSecond / 20));
  let sent = 0;
  for await (const chunk of source) {
    for (let at = 0; at < (chunk as Buffer).length; at += pieceBytes) {
      const cut = (fault.cutAfterBytes ?? Infinity) - sent;
      let piece = (chunk as Buffer).subarray(at, at + Math.min(pieceBytes, cut));
      if (fault.wrongByte === true && sent === 0)
        piece = Buffer.concat([Buffer.from([~(piece[0] ?? 0)]), piece.subarray(1)]);
      if (response.destroyed) return;
      const flushed = new Promise<void>(resolve => response.write(piece, () => resolve()));
      await flushed;
      sent += piece.length;
      if (cut <= pieceBytes) {
        // What a client has not read yet when its connection breaks, it loses: how much would be chance.
        await sleep(readMs);
        return void response.destroy();
      }
      if (fault.bytesPerSecond !== undefined) await sleep((piece.length / fault.bytesPerSecond) * 1000);
    }
  }
  if (fault.claimMoreBytes === undefined) response.end();
  else response.destroy();
}
