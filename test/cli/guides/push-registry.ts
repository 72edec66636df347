// A registry to which a real `ollama push` can push: blobs in parts, then a manifest, over TLS with a certificate of its own.
// Never listens beyond loopback, never keeps more than a small model.
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';

const commandMsMax = 30_000;
const digestPattern = /sha256:[0-9a-f]{64}/;

export class PushRegistry {
  /** To be put where a program looks for the authorities it trusts. */
  readonly certificateFile: string;
  readonly blobs = new Map<string, Buffer>();
  /** By `library/name/tag`. */
  readonly manifests = new Map<string, Buffer>();
  readonly #uploads = new Map<string, Buffer[]>();
  readonly #server: Server;

  private constructor(certificateFile: string, tls: { readonly key: string; readonly cert: string }) {
    this.certificateFile = certificateFile;
    this.#server = createServer(tls, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(folder: string): Promise<PushRegistry> {
    const [keyFile, certificateFile] = [path.join(folder, 'registry.key'), path.join(folder, 'registry.crt')];
    const wish = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const about = ['-days', '2', '-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', keyFile, '-out', certificateFile];
    execFileSync('openssl', [...wish, ...files, ...about], { timeout: commandMsMax, stdio: 'ignore' });
    const tls = { key: await readFile(keyFile, 'utf8'), cert: await readFile(certificateFile, 'utf8') };
    const registry = new PushRegistry(certificateFile, tls);
    await new Promise<void>(resolve => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', `https://${this.host}`);
    const body = await buffer(request);
    const upload = /\/uploads\/([\w-]+)$/.exec(pathname)?.[1];
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(pathname);
    const digest = digestPattern.exec(pathname)?.[0];
    switch (request.method) {
      case 'HEAD':
        return void response.writeHead(this.blobs.has(digest ?? '') ? 200 : 404).end();
      case 'POST':
        return this.#accepted(response, randomUUID());
      case 'PATCH':
        this.#uploads.get(upload ?? '')?.push(body);
        return this.#accepted(response, upload ?? '');
      case 'PUT':
        if (manifest === null) return this.#finish(response, upload ?? '', searchParams.get('digest') ?? '');
        this.manifests.set(`${manifest[1]}/${manifest[2]}`, body);
        return void response.writeHead(201).end();
      default:
        return void response.writeHead(404).end();
    }
  }

  #accepted(response: ServerResponse, upload: string): void {
    if (!this.#uploads.has(upload)) this.#uploads.set(upload, []);
    const location = `https://${this.host}/v2/uploads/${upload}`;
    response.writeHead(202, { location, 'docker-upload-location': location }).end();
  }

  /** What came must be what was announced. */
  #finish(response: ServerResponse, upload: string, digest: string): void {
    const bytes = Buffer.concat(this.#uploads.get(upload) ?? []);
    const isRight = digest === `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (isRight) this.blobs.set(digest, bytes);
    response.writeHead(isRight ? 201 : 400).end();
  }
}
