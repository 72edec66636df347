// The child servers that an `ollama` program makes: each on a free port of loopback with a store of its own. Never starts them.
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ChildSpec } from './supervisor.ts';

export interface OllamaPlan {
  readonly binary: string;
  readonly count: number;
  /** Holds a folder per server: its models and its log. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
}

export async function ollamaChildren(plan: OllamaPlan): Promise<ChildSpec[]> {
  const ports = await freePorts(plan.count);
  return ports.map((port, index) => {
    const name = `ollama-${index + 1}`;
    return {
      name,
      argv: [plan.binary, 'serve'],
      port,
      logFile: join(plan.dir, name, 'ollama.log'),
      env: { ...plan.env, OLLAMA_HOST: `127.0.0.1:${port}`, OLLAMA_MODELS: join(plan.dir, name, 'models') },
    };
  });
}

/** Different from each other; free when this was asked, so whoever takes one does it soon. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map(server => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

function listenAnywhere(): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
