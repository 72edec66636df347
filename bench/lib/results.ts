// Where raw results are kept, so that tables can be made again without measuring. Never holds more than figures.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../results');

export interface Result<T> {
  readonly what: string;
  readonly at: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGb: number;
    readonly node: string;
  };
  /** Peers that could not be measured, and why. */
  readonly leftOut: Readonly<Record<string, string>>;
  readonly data: T;
}

export interface ToSave<T> {
  readonly what: string;
  /** Short runs never take the place of real ones. */
  readonly quick: boolean;
  readonly leftOut: Readonly<Record<string, string>>;
  readonly data: T;
}

export async function saveResult<T>(name: string, { quick, ...given }: ToSave<T>): Promise<void> {
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
  };
  const result: Result<T> = { ...given, at: new Date().toISOString(), machine };
  const into = quick ? path.join(tmpdir(), 'bigo-bench-quick') : folder;
  await mkdir(into, { recursive: true });
  await writeFile(path.join(into, `${name}.json`), compact(result));
}

export async function loadResult<T>(name: string): Promise<Result<T> | undefined> {
  const text = await readFile(path.join(folder, `${name}.json`), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Result<T>);
}

/** Rows of figures on one line each, so that a change is read line by line. */
function compact(value: unknown): string {
  const text = JSON.stringify(value, undefined, 1);
  const inner = /[[{][^[\]{}]*[\]}]/g;
  return `${text.replaceAll(inner, part => part.replaceAll(/\n\s*/g, ' '))}\n`;
}
