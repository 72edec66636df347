// Reads a manifest and the beginning of the weights out of a model registry. Never reads more than the header, never writes a file.
import { Agent, EnvHttpProxyAgent, fetch, type Response } from 'undici';
import type { ModelName } from '../api/names.ts';
import { type GgufHeader, parseGguf } from '../engine/core/gguf.ts';
import { MANIFEST_TYPE } from '../engine/core/manifest.ts';
import { registryUrl } from '../engine/core/progress.ts';
import { CliError } from './exit.ts';

export interface RegistryReader {
  manifest(): Promise<string>;
  header(
    digest: string,
  ): Promise<{ readonly values: Readonly<Record<string, unknown>>; readonly tokens?: number }>;
  close(): Promise<void>;
}

const connectMsMax = 5_000;
const silenceMsMax = 30_000;
const manifestBytesMax = 4 * 1024 * 1024;
const headerBytesMax = 64 * 1024 * 1024;
const firstPieceBytes = 1024 * 1024;

export function registryReader(name: ModelName, signal: AbortSignal): RegistryReader {
  const limits = {
    connect: { timeout: connectMsMax },
    headersTimeout: silenceMsMax,
    bodyTimeout: silenceMsMax,
  };
  const isLocal = /^(localhost|127(\.\d+){3})(:\d+)?$/i.test(name.host);
  const dispatcher = isLocal ? new Agent(limits) : new EnvHttpProxyAgent(limits);
  const get = async (path: string, headers: Record<string, string>): Promise<Response> => {
    const url = `${registryUrl(name, isLocal)}/${path}`;
    const response = await fetch(url, { headers, dispatcher, signal }).catch((error: unknown) => {
      throw signal.aborted ? error : unreachable(name, causeOf(error));
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw refused(name, response.status);
  };
  return {
    manifest: async () => {
      const response = await get(`manifests/${name.tag}`, { accept: MANIFEST_TYPE });
      const text = await read(response, manifestBytesMax, manifestText);
      return text ?? '';
    },
    header: async digest => {
      const range = `bytes=0-${headerBytesMax - 1}`;
      const response = await get(`blobs/${digest}`, { range, 'accept-encoding': 'identity' });
      const found = await read(response, headerBytesMax, parseGguf);
      if (found !== undefined) return plain(found);
      throw new CliError(`the weights of ${name.model} begin with no header that can be read`);
    },
    close: () => dispatcher.destroy(),
  };
}

/** All of a body, or as much as `find` needs; it is asked again whenever twice as much has come. */
async function read<Found>(
  response: Response,
  bytesMax: number,
  find: (bytes: Uint8Array) => Found | undefined,
): Promise<Found | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let askedAt = firstPieceBytes;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > bytesMax) return undefined;
    if (size < askedAt) continue;
    askedAt = size * 2;
    const found = find(joined(chunks, size));
    if (found !== undefined) return found;
  }
  return find(joined(chunks, size));
}

/** Only a whole one ends with a bracket at its outermost level. */
function manifestText(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(bytes);
  try {
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function plain({ metadata }: GgufHeader) {
  const entries = [...metadata].map(([key, value]) => [
    key,
    typeof value === 'object' ? (value.items ?? []) : value,
  ]);
  const tokens = metadata.get('tokenizer.ggml.tokens');
  return {
    values: Object.fromEntries(entries) as Record<string, unknown>,
    ...(typeof tokens === 'object' ? { tokens: tokens.length } : {}),
  };
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}

function unreachable({ host }: ModelName, why: string): CliError {
  return new CliError(`the registry ${host} cannot be reached: ${why}`, {
    next: 'Name an Ollama that has the model (--endpoint URL), or let the registry be reached; HTTPS_PROXY is used.',
  });
}

function refused({ host, model, tag }: ModelName, status: number): CliError {
  if (status === 404) return new CliError(`${host} has no ${model}:${tag}`, { next: 'Is the name right?' });
  return new CliError(`the registry ${host} answered ${status}`);
}
