// The folder outside the checkout where real parts are kept, with its locks and its command runner.
// Never holds anything that cannot be made again: deleting the folder costs time only.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, link, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const lockPollMs = 500;
const lockWaitMsMax = 30 * 60 * 1000;
const logTailLines = 20;

export function toolsFolder(): string {
  return path.join(process.env['BIGO_CACHE'] ?? path.join(homedir(), '.cache', 'bigo'), 'tools');
}

export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Everything the program prints goes here, so a failed build can be read afterwards. */
  readonly log: string;
  readonly timeoutMs: number;
}

/** Runs to the end; an error names the command, its log, and the log's last lines. */
export async function runLogged(command: Command): Promise<void> {
  await mkdir(path.dirname(command.log), { recursive: true });
  await appendFile(command.log, `\n$ ${command.program} ${command.args.join(' ')}\n`);
  const log = await open(command.log, 'a');
  try {
    const outcome = await ended(command, log.fd);
    if (outcome !== 0) throw new Error(await failure(command, outcome));
  } finally {
    await log.close();
  }
}

function ended(command: Command, logFd: number): Promise<number | string> {
  return new Promise(resolve => {
    const child = spawn(command.program, command.args, {
      cwd: command.cwd,
      env: { ...process.env, ...command.env },
      stdio: ['ignore', logFd, logFd],
      timeout: command.timeoutMs,
      killSignal: 'SIGKILL',
    });
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? `signal ${signal ?? 'unknown'}`));
  });
}

async function failure(command: Command, outcome: number | string): Promise<string> {
  const lines = (await readFile(command.log, 'utf8')).trimEnd().split('\n').slice(-logTailLines);
  const what = [command.program, ...command.args].join(' ');
  return `\`${what}\` failed (${outcome}). The log is ${command.log}; it ends:\n${lines.join('\n')}`;
}

/** One process at a time may make a part; the others wait and then find it made. */
export async function withLock<T>(name: string, action: () => Promise<T>): Promise<T> {
  const lock = path.join(toolsFolder(), 'locks', name);
  await mkdir(path.dirname(lock), { recursive: true });
  const started = Date.now();
  while (!(await tryLock(lock))) {
    if (Date.now() - started > lockWaitMsMax) throw new Error(`Waited too long for ${lock}: end its owner.`);
    if (await isStale(lock)) await rm(lock, { force: true });
    else await sleep(lockPollMs);
  }
  try {
    return await action();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Linked into place with the owner's process id in it, so nobody ever reads a lock without an owner. */
async function tryLock(lock: string): Promise<boolean> {
  const own = `${lock}.${process.pid}`;
  await writeFile(own, String(process.pid));
  try {
    await link(own, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(own, { force: true });
  }
}

async function isStale(lock: string): Promise<boolean> {
  const pid = Number(await readFile(lock, 'utf8').catch(() => '0'));
  try {
    process.kill(pid, 0);
    return pid === 0;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
