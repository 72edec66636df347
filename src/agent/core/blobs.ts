// Which blob is hashed next, and what is known of each: (book, what happened) -> book. Never opens a file.
//
// A blob is hashed: 1. when somebody has reason to doubt it (a load failed); 2. when it is new or its size or time changed;
// 3. when its last hash is older than the interval. A wrong one stays wrong until its file is another one.

/** As stat tells it; another mark means another file or other bytes. */
export interface BlobFile {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mark: string;
}

export interface BlobRecord extends BlobFile {
  /** Undefined: not since its mark changed. */
  readonly hashedAtMs: number | undefined;
  readonly isWrong: boolean;
  readonly isDoubted: boolean;
}

export type BlobBook = ReadonlyMap<string, BlobRecord>;

export const blobsMax = 20_000;

export function seenBlobs(book: BlobBook, files: readonly BlobFile[]): BlobBook {
  return new Map(
    files.slice(0, blobsMax).map(file => {
      const known = book.get(file.digest);
      if (known?.mark === file.mark) return [file.digest, known];
      return [
        file.digest,
        { ...file, hashedAtMs: undefined, isWrong: false, isDoubted: known !== undefined },
      ];
    }),
  );
}

export function doubted(book: BlobBook, digests: readonly string[]): BlobBook {
  const next = new Map(book);
  for (const digest of digests) {
    const known = next.get(digest);
    if (known !== undefined && !known.isWrong) next.set(digest, { ...known, isDoubted: true });
  }
  return next;
}

export function hashed(
  book: BlobBook,
  file: BlobFile,
  result: { readonly isRight: boolean; readonly nowMs: number },
): BlobBook {
  const known = book.get(file.digest);
  // It changed while it was read: what was found says nothing about what is there now.
  if (known === undefined || known.mark !== file.mark) return book;
  const next = { ...known, hashedAtMs: result.nowMs, isWrong: !result.isRight, isDoubted: false };
  return new Map(book).set(file.digest, next);
}

export function nextToHash(book: BlobBook, nowMs: number, intervalMs: number): BlobRecord | undefined {
  const open = [...book.values()].filter(blob => !blob.isWrong && urgency(blob, nowMs, intervalMs) > 0);
  const [first] = open.sort(
    (a, b) =>
      urgency(b, nowMs, intervalMs) - urgency(a, nowMs, intervalMs) ||
      (a.hashedAtMs ?? 0) - (b.hashedAtMs ?? 0) ||
      a.sizeBytes - b.sizeBytes,
  );
  return first;
}

function urgency(blob: BlobRecord, nowMs: number, intervalMs: number): number {
  if (blob.isDoubted) return 3;
  if (blob.hashedAtMs === undefined) return 2;
  return nowMs - blob.hashedAtMs >= intervalMs ? 1 : 0;
}

export function wrongBlobs(book: BlobBook): BlobRecord[] {
  return [...book.values()].filter(blob => blob.isWrong);
}
