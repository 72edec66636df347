// Two or three stores of models, played by fake Ollamas or a few scripted lines, behind a gateway. Nothing outlives its test.
// Never a backend outside loopback.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'node:test';
import { startRig, type Rig, type RigOptions } from '../../src/gateway/models/rig.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import { endAll } from '../tools/end-all.ts';
import { until } from '../tools/until.ts';

export const closers: (() => unknown)[] = [];
afterEach(() => endAll(...closers.splice(0).reverse()));

type FakeOptions = Parameters<typeof startFakeOllama>[0];
export interface Line {
  status?: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: string;
}

export async function fake(options: FakeOptions = {}): Promise<FakeOllama> {
  const server = await startFakeOllama({
    models: [],
    registry: [{ name: 'new', sizeBytes: 1000 }],
    ...options,
  });
  closers.push(() => server.stop().catch(() => {}));
  return server;
}

export async function http(listener: RequestListener): Promise<{ url: string }> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Answers what every poll asks; `change` does the rest. */
export function scripted(change: RequestListener): Promise<{ url: string }> {
  return http((req, res) => {
    if (req.url === '/api/version') res.end('{"version":"0.24.0"}');
    else if (req.method === 'GET') res.end('{"models":[]}');
    else change(req, res);
  });
}

export async function rig(
  backends: Record<string, { url: string }>,
  more: Partial<RigOptions> = {},
): Promise<Rig> {
  const named = Object.entries(backends).map(([name, { url }]) => ({ name, url }));
  const started = await startRig({ backends: named, ...more });
  closers.push(() => started.stop());
  return started;
}

export function post({ url }: Rig, path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url + path, { method: 'POST', body: JSON.stringify(body), ...init });
}

export const linesOf = async (answer: Response): Promise<Line[]> =>
  (await answer.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Line);

export async function namesAt({ url }: { url: string }): Promise<string[]> {
  const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  return models.map(model => model.name).sort();
}

export const asked = (server: FakeOllama, path: string): number =>
  server.state().seen.filter(seen => seen.url === path).length;
export const down = async (server: FakeOllama, fleet: Rig['fleet'], name: string): Promise<void> => {
  await server.stop();
  await until(`${name} is down`, () =>
    fleet.snapshot().backends.some(({ spec, state }) => spec.name === name && state === 'down'),
  );
};
