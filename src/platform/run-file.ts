// Where a running gateway says its addresses, so that `bigo status` finds it: one small file per process. Never trusts a file whose process is gone.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

export interface RunInfo {
  readonly pid: number;
  readonly url: string;
  readonly admin: string;
  readonly adminToken?: string;
  readonly startedAt: string;
}

const filesMax = 200;
const bytesMax = 16 * 1024;

export function stateDir(env: Environment): string {
  const base = env.XDG_STATE_HOME ?? '';
  return join(base === '' ? join(env.HOME ?? homedir(), '.local', 'state') : base, 'bigo');
}

const runDir = (env: Environment) => join(stateDir(env), 'run');

/** Returns what takes the file away again. Readable by its owner only: it may hold a token. */
export function writeRunFile(env: Environment, info: RunInfo): () => void {
  const dir = runDir(env);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, `${info.pid}.json`);
  const draft = `${path}.new`;
  writeFileSync(draft, JSON.stringify(info), { mode: 0o600 });
  renameSync(draft, path);
  return () => rmSync(path, { force: true });
}

/** Living gateways, the newest first; files of dead ones are removed on the way. */
export function listRunFiles(env: Environment): RunInfo[] {
  const dir = runDir(env);
  const names = entries(dir).filter(name => /^\d+\.json$/.test(name));
  return names
    .slice(0, filesMax)
    .map(name => readRunFile(join(dir, name)))
    .filter(info => info !== undefined)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function readRunFile(path: string): RunInfo | undefined {
  const info = parseRunFile(path);
  if (info !== undefined && isAlive(info.pid)) return info;
  if (info !== undefined) rmSync(path, { force: true });
  return undefined;
}

function parseRunFile(path: string): RunInfo | undefined {
  try {
    if (statSync(path).size > bytesMax) return undefined;
    const info = JSON.parse(readFileSync(path, 'utf8')) as RunInfo;
    const isWhole = [info.url, info.admin, info.startedAt].every(field => typeof field === 'string');
    return isWhole && Number.isSafeInteger(info.pid) && info.pid > 0 ? info : undefined;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
