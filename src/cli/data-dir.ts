// The folder where `bigo up` keeps what its engines need. Never shared by two fleets at once: each claims one of its own.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../platform/run-file.ts';
import type { Environment } from './core/env-layer.ts';
import { CliError } from './exit.ts';

export interface FleetDir {
  readonly path: string;
  release(): void;
}

const foldersMax = 32;

function dataDir(env: Environment): string {
  const base = env.XDG_DATA_HOME ?? '';
  return join(base === '' ? join(env.HOME ?? homedir(), '.local', 'share') : base, 'bigo');
}

/** The first folder that no living process holds, so that a second fleet finds the models of an earlier one again. */
export function claimFleetDir(env: Environment): FleetDir {
  for (let number = 1; number <= foldersMax; number++) {
    const path = join(dataDir(env), number === 1 ? 'fleet' : `fleet-${number}`);
    if (claim(path)) return { path, release: () => rmSync(lockOf(path), { force: true }) };
  }
  throw new CliError(`${foldersMax} fleets run already in ${dataDir(env)}`);
}

const lockOf = (path: string) => join(path, 'pid');

function claim(path: string): boolean {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const lock = lockOf(path);
  const holder = Number(readText(lock));
  if (Number.isSafeInteger(holder) && holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new CliError(`${path} cannot be written (${code ?? String(error)})`, {
      next: 'Make room there, or set XDG_DATA_HOME to another folder.',
    });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
