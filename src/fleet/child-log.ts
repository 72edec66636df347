// What a child server writes: into at most two files of a bounded size, and its last lines in memory. Never blocks the child.
import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';

const fileBytesMax = 10 * 1024 * 1024;
const tailBytesMax = 4 * 1024;
const linesSaid = 3;
/** More than this waiting for the disk is dropped: a full or hanging disk must not cost memory. */
const waitingBytesMax = 1024 * 1024;

export class ChildLog {
  readonly #file: string | undefined;
  #stream: WriteStream | undefined;
  #bytes = 0;
  #tail = '';

  constructor(file: string | undefined) {
    this.#file = file;
    if (file !== undefined) this.#open(file);
  }

  write(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString('utf8')).slice(-tailBytesMax);
    if (this.#file === undefined || this.#stream === undefined) return;
    if (this.#stream.writableLength > waitingBytesMax) return;
    this.#stream.write(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > fileBytesMax) this.#rotate(this.#file);
  }

  lastLines(): string {
    return this.#tail.trimEnd().split('\n').slice(-linesSaid).join(' | ');
  }

  close(): Promise<void> {
    return new Promise(resolve => {
      if (this.#stream === undefined || this.#stream.destroyed) resolve();
      else this.#stream.end(() => resolve());
    });
  }

  #open(file: string): void {
    mkdirSync(dirname(file), { recursive: true });
    this.#bytes = sizeOf(file);
    const stream = createWriteStream(file, { flags: 'a' });
    // The child's log is a help, not a duty: without room for it the child still runs.
    stream.on('error', () => (this.#stream = undefined));
    this.#stream = stream;
  }

  #rotate(file: string): void {
    this.#stream?.end();
    try {
      renameSync(file, `${file}.1`);
      this.#open(file);
    } catch {
      this.#stream = undefined;
    }
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
