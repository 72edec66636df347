// The fake Ollama as a process of its own: what can be killed and frozen. Ended by its id.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../fakes/ollama/main.ts', import.meta.url));

export interface FakeProcess {
  readonly url: string;
  readonly port: number;
  signal(signal: NodeJS.Signals): void;
  /** After SIGKILL: resolves when it is gone. */
  gone(): Promise<void>;
  stop(): Promise<void>;
}

export async function startFakeProcess(flags: readonly string[], port = 0): Promise<FakeProcess> {
  const args = [main, '--listen', `127.0.0.1:${port}`, ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as { url: string };
    child.stdout.resume();
    return running(child, ready.url);
  }
  throw new Error('the fake Ollama did not start');
}

function running(child: ChildProcess, url: string): FakeProcess {
  const exit = new Promise<void>(resolve => child.once('exit', () => resolve()));
  return {
    url,
    port: Number(new URL(url).port),
    signal: signal => void child.kill(signal),
    gone: () => exit,
    stop: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
