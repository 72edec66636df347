// Starts a real Ollama for a test: free port, a store of its own, one thread, ended with all its runners by process id.
// Never uses the models, keys or port of an Ollama that the person at this machine runs.
import { spawn, type ChildProcess } from 'node:child_process';
import { openAsBlob } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256File } from '../../scripts/fetch/cache.ts';
import { freePort } from './free-port.ts';
import { find } from './parts.ts';
import { digestOf } from './tiny-gguf.ts';

const startMsMax = 20_000;
const stopMsMax = 10_000;
const startAttempts = 3;

export interface OllamaSettings {
  /** Ollama's own variables, without the OLLAMA_ prefix: `{ NUM_PARALLEL: '2' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly port?: number;
  /** Authorities that it trusts, in the place of this machine's. */
  readonly certificateFile?: string;
  /** An existing store to serve; it is kept when this Ollama stops. */
  readonly store?: string;
}

export interface ModelSource {
  /** Bytes of a GGUF file, or its path. */
  readonly gguf: Uint8Array | string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly template?: string;
}

export interface RealOllama {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly store: string;
  /** The binary, to be used as a command-line client too. */
  readonly binary: string;
  createModel(name: string, source: ModelSource): Promise<void>;
  /** To the server alone: SIGSTOP freezes it, SIGKILL leaves its runners to `stop`. */
  signal(signal: NodeJS.Signals): void;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export async function startOllama(options: OllamaSettings = {}): Promise<RealOllama> {
  const binary = await find('ollama');
  if (binary === undefined) throw new Error('No real Ollama here: npm run tools -- ollama');
  const home = await mkdtemp(path.join(tmpdir(), 'bigo-ollama-'));
  for (let attempt = 1; ; attempt++) {
    const server = new Server(binary, home, options, options.port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      if (attempt === startAttempts || options.port !== undefined) throw error;
    }
  }
}

class Server implements RealOllama {
  readonly binary: string;
  readonly port: number;
  readonly store: string;
  readonly #home: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #certificateFile: string | undefined;
  readonly #killGroup = (): void => this.#signalGroup('SIGKILL');
  #child: ChildProcess | undefined;

  constructor(binary: string, home: string, options: OllamaSettings, port: number) {
    this.binary = binary;
    this.#home = home;
    this.port = port;
    this.store = options.store ?? path.join(home, 'models');
    this.#settings = options.settings ?? {};
    this.#certificateFile = options.certificateFile;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const log = await open(path.join(this.#home, 'log'), 'a');
    // A group of its own, so that its runner processes can be ended with it.
    this.#child = spawn(this.binary, ['serve'], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: this.#environment(),
    });
    this.#child.on('error', () => undefined); // a binary that cannot start shows as an exit below
    process.on('exit', this.#killGroup);
    await log.close();
    await this.#untilAnswers();
  }

  #environment(): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = {
      PATH: process.env['PATH'],
      HOME: this.#home,
      OLLAMA_HOST: `127.0.0.1:${this.port}`,
      OLLAMA_MODELS: this.store,
      OLLAMA_NUM_PARALLEL: '1',
      OMP_NUM_THREADS: '1',
    };
    if (this.#certificateFile !== undefined) env['SSL_CERT_FILE'] = this.#certificateFile;
    for (const [name, value] of Object.entries(this.#settings)) env[`OLLAMA_${name}`] = value;
    return env;
  }

  async #untilAnswers(): Promise<void> {
    const deadline = Date.now() + startMsMax;
    while (Date.now() < deadline && this.#child?.exitCode === null) {
      const answer = await fetch(`${this.url}/api/version`).catch(() => undefined);
      if (answer?.ok === true) return;
      await sleep(50);
    }
    const log = await this.log();
    throw new Error(`Ollama did not start on port ${this.port}. Its log ends:\n${log.slice(-2000)}`);
  }

  async createModel(name: string, source: ModelSource): Promise<void> {
    const digest =
      typeof source.gguf === 'string' ? `sha256:${await sha256File(source.gguf)}` : digestOf(source.gguf);
    const body =
      typeof source.gguf === 'string' ? await openAsBlob(source.gguf) : new Blob([Buffer.from(source.gguf)]);
    await this.#post(`/api/blobs/${digest}`, body);
    const create = {
      model: name,
      files: { 'model.gguf': digest },
      parameters: { num_thread: 1, ...source.parameters },
      ...(source.template === undefined ? {} : { template: source.template }),
      stream: false,
    };
    await this.#post('/api/create', JSON.stringify(create));
  }

  async #post(route: string, body: Blob | string): Promise<void> {
    const answer = await fetch(this.url + route, { method: 'POST', body });
    const text = await answer.text();
    if (!answer.ok || text.includes('"error"'))
      throw new Error(`${route} answered ${answer.status}: ${text}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    try {
      if (this.pid > 0) process.kill(-this.pid, signal);
    } catch {
      // Every process of the group is gone already.
    }
  }

  async log(): Promise<string> {
    return readFile(path.join(this.#home, 'log'), 'utf8').catch(() => '');
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killGroup);
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise(resolve => child.once('exit', resolve));
      this.#signalGroup('SIGCONT');
      this.#signalGroup('SIGTERM');
      await Promise.race([gone, sleep(stopMsMax, undefined, { ref: false })]);
    }
    this.#signalGroup('SIGKILL');
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
