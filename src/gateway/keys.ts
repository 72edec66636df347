// API keys from a file: who a request comes from and what it may do. Only hashes are kept; a key is never logged and never travels on.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import { parse as parseYaml } from 'yaml';
import * as z from 'zod';
import { BigoError } from '../api/errors.ts';
import { modelKey } from '../api/names.ts';
import type { Identity } from './exchange.ts';

const KeyEntry = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, 'letters, digits and . _ @ - only, at most 64'),
  hash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits, as `bigo keys create` prints'),
  role: z.enum(['user', 'admin']).default('user'),
  /** Absent = all models. */
  models: z.array(z.string().min(1)).max(1_000).optional(),
  priority: z.enum(['high', 'normal', 'low', 'batch']).default('normal'),
});
const KeysFile = z.strictObject({ keys: z.array(KeyEntry).max(10_000) });

export type KeyEntry = z.infer<typeof KeyEntry>;

interface KnownKey {
  readonly digest: Buffer;
  readonly identity: Identity;
}

/** Without keys everybody is this one: loopback, or an explicit --insecure. */
export const ANONYMOUS: Identity = { tenant: 'anonymous', role: 'admin', priorityMax: 'high' };

const keyLengthMax = 512;
const pollMs = 1_000;

export class KeyRing {
  private byHash: ReadonlyMap<string, KnownKey> | undefined;
  private file: string | undefined;
  private anonymous = ANONYMOUS;

  /** Without a file keys are off, and everybody may do what `anonymousRole` says. Throws a message for people when the file is wrong. */
  use(file: string | undefined, anonymousRole: 'admin' | 'inference' = 'admin'): void {
    this.anonymous = anonymousRole === 'admin' ? ANONYMOUS : { ...ANONYMOUS, role: 'user' };
    this.byHash = file === undefined ? undefined : indexOf(readKeys(file));
    this.file = file;
  }

  /** Takes changes of the file in; a wrong file is reported and the keys stay as they were. */
  watch(onReload: (error: Error | undefined) => void): void {
    const { file } = this;
    if (file === undefined) return;
    fs.watchFile(file, { interval: pollMs, persistent: false }, () => {
      try {
        this.byHash = indexOf(readKeys(file));
        onReload(undefined);
      } catch (error) {
        onReload(error as Error);
      }
    });
  }

  close(): void {
    if (this.file !== undefined) fs.unwatchFile(this.file);
  }

  get on(): boolean {
    return this.byHash !== undefined;
  }

  /** Whose keys there are and what they may do; of the keys themselves not even a hash. */
  list(): Identity[] {
    return [...(this.byHash?.values() ?? [])].map(({ identity }) => identity);
  }

  identify(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Identity | BigoError {
    if (this.byHash === undefined) return this.anonymous;
    const key = presentedKey(headers);
    if (key === undefined) return new BigoError('unauthorized', 'This gateway needs a key.');
    const digest = hashKey(key);
    const known = this.byHash.get(digest);
    // The lookup is by hash, so its time tells nothing of a key; the comparison is constant in time all the same.
    const same = known !== undefined && timingSafeEqual(known.digest, Buffer.from(digest));
    return same ? known.identity : new BigoError('unauthorized', 'This key is not valid here.');
  }
}

/** A new key: shown once to its owner, kept as its hash. */
export function createKey(): { key: string; hash: string } {
  const key = `bigo-${randomBytes(32).toString('base64url')}`;
  return { key, hash: hashKey(key) };
}

/** Keys are 256 random bits, so a plain hash cannot be searched. */
export function hashKey(key: string): string {
  return `sha256:${hash('sha256', key, 'hex')}`;
}

export function readKeys(file: string): KeyEntry[] {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw keysError(
      `Cannot read the keys file ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}.`,
    );
  }
  let value: unknown;
  try {
    value = parseYaml(text) ?? { keys: [] };
  } catch {
    throw keysError(`The keys file ${file} is neither YAML nor JSON.`);
  }
  const result = KeysFile.safeParse(value);
  if (result.success) return result.data.keys;
  const [issue] = result.error.issues;
  // The path names the field; the value might be a key that somebody put there by mistake.
  throw keysError(
    `The keys file ${file} is wrong at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? 'invalid'}.`,
  );
}

function keysError(message: string): BigoError {
  return new BigoError('keys_file', message);
}

function indexOf(entries: readonly KeyEntry[]): Map<string, KnownKey> {
  const index = new Map<string, KnownKey>();
  for (const entry of entries) {
    const models =
      entry.models === undefined ? undefined : new Set(entry.models.map(name => modelKey(name) ?? name));
    index.set(entry.hash, {
      digest: Buffer.from(entry.hash),
      identity: {
        tenant: entry.id,
        role: entry.role,
        priorityMax: entry.priority,
        ...(models && { models }),
      },
    });
  }
  return index;
}

export function presentedKey(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  const { authorization } = headers;
  const bearer =
    typeof authorization === 'string' ? /^Bearer +(\S+) *$/i.exec(authorization)?.[1] : undefined;
  const key = bearer ?? headers['x-api-key'];
  return typeof key === 'string' && key.length > 0 && key.length <= keyLengthMax ? key : undefined;
}
