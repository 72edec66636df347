// A clone of this repository in a home of its own, as a person has it who has just heard of BigO.
// Never leaves a process or a folder behind. Shared with the person at this machine: npm's settings and cache, nothing else.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..', '..');
const runMsMax = 180_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class FreshClone {
  readonly folder: string;
  readonly #base: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #running = new Set<Program>();

  constructor(base: string) {
    this.#base = base;
    this.folder = path.join(base, 'bigo');
    this.#env = environment(base);
  }

  start(command: string, args: readonly string[]): Program {
    const program = new Program(
      spawn(command, args, { cwd: this.folder, env: this.#env, detached: true, timeout: runMsMax }),
    );
    this.#running.add(program);
    return program;
  }

  run(command: string, args: readonly string[]): Promise<Ended> {
    return this.start(command, args).ended;
  }

  /** Every process that runs a file of this clone: id and command line. */
  async processes(): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
      if (line.includes(`${this.folder}/`)) found.set(Number(name), line.replaceAll('\0', ' '));
    }
    return found;
  }

  async remove(): Promise<void> {
    for (const program of this.#running) await program.kill();
    for (const pid of (await this.processes()).keys()) process.kill(pid, 'SIGKILL');
    await rm(this.#base, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdin?.end();
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', code => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** The first line of stdout that begins with `{`; rejects when the program ends before. */
  async ready(): Promise<{ readonly url: string; readonly admin: string }> {
    for (;;) {
      const [line] = /^\{.*\}$/m.exec(this.stdout) ?? [];
      if (line !== undefined) return JSON.parse(line) as { url: string; admin: string };
      const more = new Promise<'more'>(resolve => this.child.stdout?.once('data', () => resolve('more')));
      if ((await Promise.race([more, this.ended])) !== 'more')
        throw new Error(`ended before it was ready:\n${this.stdout}\n${this.stderr}`);
    }
  }

  async kill(): Promise<void> {
    try {
      process.kill(-(this.child.pid ?? 0), 'SIGKILL'); // its group: npm has children
    } catch {
      // Every process of the group is gone already.
    }
    await this.ended;
  }
}

export async function freshClone(): Promise<FreshClone> {
  const base = await mkdtemp(path.join(tmpdir(), 'bigo-clone-'));
  const clone = new FreshClone(base);
  const git = spawnSync('git', ['clone', '--quiet', root, clone.folder], { encoding: 'utf8' });
  if (git.status !== 0) throw new Error(`git clone failed: ${git.stderr}`);
  return clone;
}

export function isCheckout(): boolean {
  return existsSync(path.join(root, '.git'));
}

function environment(base: string): NodeJS.ProcessEnv {
  const own =
    /^(HOME|PATH|TERM|NO_COLOR|FORCE_COLOR|NODE_OPTIONS|NODE_TEST_CONTEXT|INIT_CWD)$|^(npm|BIGO|OLLAMA|XDG)_/;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  const home = path.join(base, 'home');
  mkdirSync(home);
  return {
    ...Object.fromEntries(kept),
    HOME: home,
    PATH: pathWithoutOllama(base),
    npm_config_cache: spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim(),
    npm_config_userconfig: path.join(homedir(), '.npmrc'),
  };
}

/** A folder that holds `ollama` among other programs is replaced by links to the others. */
function pathWithoutOllama(base: string): string {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter(folder => folder !== '');
  const outside = folders.filter(folder => !path.resolve(folder).startsWith(`${root}${path.sep}`));
  const places = outside.map((folder, index) => {
    if (!existsSync(path.join(folder, 'ollama'))) return folder;
    const links = path.join(base, `bin-${index}`);
    mkdirSync(links);
    for (const name of readdirSync(folder)) {
      if (name !== 'ollama') symlinkSync(path.join(folder, name), path.join(links, name));
    }
    return links;
  });
  return places.join(path.delimiter);
}
