// Writes tar archives whose bytes depend on nothing but what is in them: one owner, one time, one order.
// Never keeps a file's own owner, time or group; POSIX.1-1988 "ustar" headers, so names are at most 100 bytes after a prefix of 155.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';

export interface TarEntry {
  /** Without a leading slash; a folder ends with one. */
  readonly path: string;
  readonly mode: number;
  /** A file of this machine, or bytes; absent for a folder. */
  readonly content?: { readonly file: string } | { readonly bytes: Uint8Array };
}

const blockBytes = 512;

/** Returns the SHA-256 of what was written. */
export async function writeTar(target: string, entries: readonly TarEntry[]): Promise<string> {
  const out = new HashedFile(await open(target, 'w'));
  try {
    for (const entry of entries) await writeEntry(out, entry);
    await out.write(Buffer.alloc(2 * blockBytes));
    return out.digest();
  } finally {
    await out.close();
  }
}

class HashedFile {
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    await this.#file.writeFile(bytes);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function writeEntry(out: HashedFile, { path, mode, content }: TarEntry): Promise<void> {
  if (content === undefined) return out.write(header({ path, mode, sizeBytes: 0, type: '5' }));
  const sizeBytes = 'file' in content ? (await stat(content.file)).size : content.bytes.length;
  await out.write(header({ path, mode, sizeBytes, type: '0' }));
  if ('bytes' in content) await out.write(content.bytes);
  else {
    let seenBytes = 0;
    for await (const chunk of createReadStream(content.file, { highWaterMark: 1 << 20 })) {
      seenBytes += (chunk as Buffer).length;
      await out.write(chunk as Buffer);
    }
    if (seenBytes !== sizeBytes) throw new Error(`${content.file} changed while it was read.`);
  }
  await out.write(Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes));
}

interface HeaderOf {
  readonly path: string;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly type: '0' | '5';
}

function header({ path, mode, sizeBytes, type }: HeaderOf): Buffer {
  const [prefix, name] = split(path);
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void =>
    void block.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  block.write(name, 0, 'utf8');
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(sizeBytes, 124, 11);
  octal(0, 136, 11);
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345, 'utf8');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function split(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  const at = path.indexOf('/', path.length - 100);
  const parts: [string, string] = [path.slice(0, at), path.slice(at + 1)];
  if (at <= 0 || Buffer.byteLength(parts[0]) > 155 || Buffer.byteLength(parts[1]) > 100)
    throw new Error(`The name is too long for a tar archive: ${path}`);
  return parts;
}
