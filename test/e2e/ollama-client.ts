// Runs the `ollama` program as a client, in a home of its own. Never lets it find a server that the test did not name.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const runMsMax = 60_000;

export interface ClientAnswer {
  readonly code: number | null;
  readonly stdout: string;
  /** Without the codes that move the cursor; progress lines stay as often as they were painted. */
  readonly stderr: string;
}

export interface OllamaClient {
  /** Where Modelfiles and weights are looked for. */
  readonly folder: string;
  run(url: string, args: readonly string[], input?: string): Promise<ClientAnswer>;
  remove(): Promise<void>;
}

export async function ollamaClient(binary: string): Promise<OllamaClient> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-client-'));
  return {
    folder,
    remove: () => rm(folder, { recursive: true, force: true }),
    run: (url, args, input = '') => {
      const child = spawn(binary, args, {
        cwd: folder,
        env: { PATH: process.env['PATH'], HOME: folder, OLLAMA_HOST: url },
        timeout: runMsMax,
        killSignal: 'SIGKILL',
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.stdin.on('error', () => undefined); // it may end without reading
      child.stdin.end(input);
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', code => resolve({ code, stdout, stderr: stripVTControlCharacters(stderr) }));
      });
    },
  };
}
