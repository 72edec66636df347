// Asks a model registry for a manifest or a piece of a blob (the docker distribution API, as Ollama uses it). Never writes a file.
import { Agent, EnvHttpProxyAgent, fetch } from 'undici';
import type { Dispatcher, Response } from 'undici';
import type { ModelName } from '../api/names.ts';
import { EngineFailure } from './core/failure.ts';
import { MANIFEST_TYPE } from './core/manifest.ts';
import { registryUrl } from './core/progress.ts';

export interface RegistryRequest {
  readonly name: ModelName;
  readonly insecure: boolean;
  readonly signal: AbortSignal;
}

export interface Registry {
  manifest(request: RegistryRequest): Promise<string>;
  /** From `offset` on; the caller reads the body. */
  blob(request: RegistryRequest, digest: string, offset: number): Promise<Response>;
  close(): Promise<void>;
}

export interface RegistryLimits {
  readonly connectMsMax: number;
  /** Until the head of an answer, and between two pieces of a body. */
  readonly silenceMsMax: number;
}

export const DEFAULT_REGISTRY: RegistryLimits = { connectMsMax: 10_000, silenceMsMax: 30_000 };

const manifestBytesMax = 4 * 1024 * 1024;

export function createRegistry(limits: RegistryLimits): Registry {
  const options = {
    connect: { timeout: limits.connectMsMax },
    headersTimeout: limits.silenceMsMax,
    bodyTimeout: limits.silenceMsMax,
  };
  const direct = new Agent(options);
  const proxied = new EnvHttpProxyAgent(options);
  async function get(
    request: RegistryRequest,
    path: string,
    headers: Record<string, string>,
  ): Promise<Response> {
    const url = `${registryUrl(request.name, request.insecure)}/${path}`;
    const dispatcher: Dispatcher = isLoopback(request.name.host) ? direct : proxied;
    const response = await fetch(url, { headers, dispatcher, signal: request.signal }).catch(
      (error: unknown) => {
        throw request.signal.aborted ? error : new EngineFailure(502, `Get "${url}": ${causeOf(error)}`);
      },
    );
    if (response.status < 400 || response.status === 416) return response;
    await response.body?.cancel();
    throw statusFailure(response.status);
  }
  return {
    async manifest(request) {
      const response = await get(request, `manifests/${request.name.tag}`, { accept: MANIFEST_TYPE });
      return readText(response);
    },
    blob(request, digest, offset) {
      const range: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
      return get(request, `blobs/${digest}`, { ...range, 'accept-encoding': 'identity' });
    },
    async close() {
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3})(:\d+)?$/i.test(host);
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function statusFailure(status: number): EngineFailure {
  if (status === 404) return new EngineFailure(404, 'file does not exist');
  if (status === 401 || status === 403) return new EngineFailure(status, 'unauthorized: access denied');
  return new EngineFailure(502, `${status}: the registry could not answer`);
}

async function readText(response: Response): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > manifestBytesMax) throw new EngineFailure(502, 'the manifest of the registry is too large');
    chunks.push(Buffer.from(chunk as Uint8Array));
  }
  return Buffer.concat(chunks).toString('utf8');
}
