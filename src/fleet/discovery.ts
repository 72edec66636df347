// Finds what `bigo up` can use on this machine, in a fixed order, and says what it took and why. Never starts anything.
//   1. Backends that were named.
//   2. The server that OLLAMA_HOST names, if it answers and is not a BigO.
//   3. An Ollama that already answers on 127.0.0.1:11434.
//   4. An `ollama` program on PATH: to be started.
//   5. The embedded engine.
import { makeBackendSpec, parseBackendUrl } from '../api/backend-spec.ts';
import { INSTANCE_HEADER, type BackendSpec } from '../api/fleet.ts';
import { failureOf } from '../platform/http-failure.ts';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import { connectUrl, parseOllamaHost } from './core/ollama-host.ts';

export interface DiscoveryInput {
  /** Named by flag or configuration. */
  readonly named: readonly BackendSpec[];
  readonly ollamaHost: string | undefined;
  readonly findProgram: (name: string) => string | undefined;
  readonly defaultUrl?: string;
  readonly answerMsMax?: number;
}

/** `why`: one sentence for each place that was looked at, the last for what was taken. */
export type Discovery =
  | {
      readonly kind: 'named' | 'running';
      readonly backends: readonly BackendSpec[];
      readonly why: readonly string[];
    }
  | { readonly kind: 'binary'; readonly binary: string; readonly why: readonly string[] }
  | { readonly kind: 'engine'; readonly why: readonly string[] };

const defaultOllamaUrl = 'http://127.0.0.1:11434';

export async function discover(input: DiscoveryInput): Promise<Discovery> {
  if (input.named.length > 0) {
    const names = input.named.map(spec => spec.name).join(', ');
    return { kind: 'named', backends: input.named, why: [`Using the backends that were named: ${names}.`] };
  }
  const why: string[] = [];
  const running = await findRunning(input, why);
  if (running !== undefined) return { kind: 'running', backends: [running], why };
  const binary = input.findProgram('ollama');
  if (binary !== undefined) {
    why.push(`Using the program ${binary}, found on PATH: BigO starts it.`);
    return { kind: 'binary', binary, why };
  }
  why.push('There is no `ollama` program on PATH.', 'Using the embedded engine.');
  return { kind: 'engine', why };
}

async function findRunning(input: DiscoveryInput, why: string[]): Promise<BackendSpec | undefined> {
  const http = createHttpClient({ connectMsMax: input.answerMsMax ?? 3_000 });
  try {
    for (const { url, from } of candidates(input, why)) {
      const found = await whoAnswers(http, url, input.answerMsMax ?? 3_000);
      if ('version' in found) {
        why.push(`Using the Ollama ${found.version} that answers at ${url} (${from}).`);
        return makeBackendSpec(url, {});
      }
      why.push(`Not using ${url} (${from}): ${found.problem}.`);
    }
    return undefined;
  } finally {
    await http.close();
  }
}

function candidates(input: DiscoveryInput, why: string[]): { url: string; from: string }[] {
  const usual = { url: input.defaultUrl ?? defaultOllamaUrl, from: "Ollama's own address" };
  if (input.ollamaHost === undefined || input.ollamaHost.trim() === '') return [usual];
  const host = parseOllamaHost(input.ollamaHost);
  const parsed = parseBackendUrl(connectUrl(host));
  if ('problem' in parsed || host.path !== '') {
    const problem = 'problem' in parsed ? parsed.problem : 'BigO cannot use a server under a path';
    why.push(`Not using OLLAMA_HOST=${input.ollamaHost}: ${problem}.`);
    return [usual];
  }
  const named = { url: parsed.url, from: 'OLLAMA_HOST' };
  return named.url === usual.url ? [named] : [named, usual];
}

async function whoAnswers(
  http: HttpClient,
  url: string,
  timeMsMax: number,
): Promise<{ readonly version: string } | { readonly problem: string }> {
  try {
    const answer = await http.ask(
      { url },
      { method: 'GET', path: '/api/version', timeMsMax, bytesMax: 65_536 },
    );
    if (answer.headers[INSTANCE_HEADER] !== undefined)
      return { problem: 'a BigO answers there, not an Ollama' };
    const body: unknown = JSON.parse(answer.body.toString('utf8'));
    const version = typeof body === 'object' && body !== null && 'version' in body ? body.version : undefined;
    return typeof version === 'string' ? { version } : { problem: 'what answers there is not an Ollama' };
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: 'what answers there is not an Ollama' };
    return { problem: failureOf(error, url).message.replace(`${url}: `, '') };
  }
}
