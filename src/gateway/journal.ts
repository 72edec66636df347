// The append-only usage journal: one JSON line per request, in bounded segments, read by `after=EPOCH:SEQ`.
// Never rewrites a record; a reader that repeats a read gets the same records, so a replay adds nothing.
import fs from 'node:fs';
import path from 'node:path';
import { BigoError } from '../api/errors.ts';

export interface UsageFields {
  readonly at: string;
  readonly requestId: string;
  readonly tenant: string;
  readonly model: string;
  readonly backend: string | undefined;
  readonly route: string;
  readonly code: number;
  readonly error: string | undefined;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
  readonly loadMs: number | undefined;
  readonly promptMs: number | undefined;
  readonly evalMs: number | undefined;
  readonly queueMs: number;
  readonly durationMs: number;
  readonly costDollars: number;
}

export interface UsageRecord extends UsageFields {
  readonly epoch: string;
  readonly seq: number;
}

export interface JournalPage {
  /** Of the running gateway. */
  readonly epoch: string;
  readonly records: readonly UsageRecord[];
  /** Give it as `after` next time. */
  readonly next: string;
  readonly more: boolean;
  /** Records after the given place were dropped by the bound before they were read. */
  readonly lost: boolean;
}

export interface JournalOptions {
  /** Absent = memory only. */
  readonly dir?: string;
  /** Unique per start, later starts sort after earlier ones. */
  readonly epoch: string;
  readonly onAppend: () => void;
  readonly onFailure: (error: Error) => void;
  readonly segmentBytesMax?: number;
  readonly segmentsMax?: number;
}

const SEGMENT = /^usage-([0-9A-Za-z-]{1,64})\.(\d{1,15})\.jsonl$/;
const segmentBytesMaxDefault = 8 * 1024 * 1024;
const segmentsMaxDefault = 32;
const memoryRecordsMax = 10_000;
/** Files hold the rest. */
const memoryBesideFilesMax = 1_000;
export const pageRecordsMax = 1_000;

interface Segment {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly file: string;
}

interface Place {
  readonly epoch: string;
  readonly seq: number;
}

export class Journal {
  private readonly options: JournalOptions;
  private readonly memory: UsageRecord[] = [];
  private seq = 0;
  private fd: number | undefined;
  private segmentBytes = 0;
  private dropped = false;

  /** Throws when the folder cannot be made: a journal that was asked for must not be silently missing. */
  constructor(options: JournalOptions) {
    this.options = options;
    if (options.dir !== undefined) makeFolder(options.dir);
  }

  /** Written before it returns: what a client has read to its end survives a crash of this process. Takes `fields` over. */
  append(fields: UsageFields): void {
    this.seq += 1;
    const record: UsageRecord = Object.assign(fields, { epoch: this.options.epoch, seq: this.seq });
    this.memory.push(record);
    const memoryMax = this.options.dir === undefined ? memoryRecordsMax : memoryBesideFilesMax;
    if (this.memory.length > memoryMax) this.memory.splice(0, memoryMax / 10);
    this.options.onAppend();
    if (this.options.dir !== undefined) this.write(this.options.dir, `${JSON.stringify(record)}\n`);
  }

  async read(after: string | undefined, limit: number = pageRecordsMax): Promise<JournalPage> {
    const place = placeOf(after);
    const count = Math.min(Math.max(1, limit), pageRecordsMax);
    const found = this.inMemory(place) ?? (await this.inFiles(place, count + 1));
    const records = found.records.slice(0, count);
    const last = records.at(-1);
    const next = last === undefined ? (after ?? `${this.options.epoch}:0`) : `${last.epoch}:${last.seq}`;
    return { epoch: this.options.epoch, records, next, more: found.records.length > count, lost: found.lost };
  }

  close(): void {
    if (this.fd !== undefined) fs.closeSync(this.fd);
    this.fd = undefined;
  }

  private write(dir: string, line: string): void {
    try {
      const { segmentBytesMax = segmentBytesMaxDefault } = this.options;
      if (this.fd === undefined || this.segmentBytes + line.length > segmentBytesMax) this.rotate(dir);
      if (this.fd !== undefined) this.segmentBytes += fs.writeSync(this.fd, line);
    } catch (error) {
      this.options.onFailure(error as Error);
    }
  }

  private rotate(dir: string): void {
    this.close();
    const file = path.join(dir, `usage-${this.options.epoch}.${this.seq}.jsonl`);
    this.fd = fs.openSync(file, 'a', 0o600);
    this.segmentBytes = 0;
    const { segmentsMax = segmentsMaxDefault } = this.options;
    const segments = listSegments(dir);
    for (const segment of segments.slice(0, Math.max(0, segments.length - segmentsMax))) {
      fs.rmSync(path.join(dir, segment.file), { force: true });
      this.dropped = true;
    }
  }

  /** Undefined when memory does not reach back far enough and files may. */
  private inMemory(place: Place | undefined): { records: UsageRecord[]; lost: boolean } | undefined {
    const { dir, epoch } = this.options;
    const from = place?.epoch === epoch ? place.seq : 0;
    const reaches = from + 1 >= (this.memory[0]?.seq ?? this.seq + 1);
    const own = place?.epoch === epoch;
    if (dir !== undefined && !(own && reaches)) return undefined;
    const start = this.memory.findIndex(record => record.seq > from);
    const records = start < 0 ? [] : this.memory.slice(start, start + pageRecordsMax + 1);
    return { records, lost: !reaches || (place !== undefined && !own) };
  }

  private async inFiles(
    place: Place | undefined,
    count: number,
  ): Promise<{ records: UsageRecord[]; lost: boolean }> {
    const { dir } = this.options;
    if (dir === undefined) return { records: [], lost: false };
    const all = listSegments(dir);
    const first = place === undefined ? 0 : startSegment(all, place);
    const records: UsageRecord[] = [];
    for (const segment of all.slice(first)) {
      const text = await fs.promises.readFile(path.join(dir, segment.file), 'utf8').catch(() => '');
      for (const line of text.split('\n')) {
        const record = recordOf(line);
        if (record !== undefined && isAfter(record, place)) records.push(record);
        if (records.length >= count) return { records, lost: this.isLost(place, all) };
      }
    }
    return { records, lost: this.isLost(place, all) };
  }

  private isLost(place: Place | undefined, segments: readonly Segment[]): boolean {
    const [oldest] = segments;
    if (oldest === undefined) return place !== undefined && place.epoch !== this.options.epoch;
    if (place === undefined) return this.dropped;
    if (place.epoch < oldest.epoch) return true;
    return place.epoch === oldest.epoch && place.seq + 1 < oldest.firstSeq;
  }
}

function makeFolder(dir: string): void {
  try {
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    fs.accessSync(dir, fs.constants.W_OK);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new BigoError('journal_folder', `The usage journal cannot be kept in ${dir}: ${code}.`);
  }
}

function placeOf(after: string | undefined): Place | undefined {
  const colon = after?.lastIndexOf(':') ?? -1;
  if (after === undefined || colon < 1) return undefined;
  const seq = Number(after.slice(colon + 1));
  return Number.isSafeInteger(seq) && seq >= 0 ? { epoch: after.slice(0, colon), seq } : undefined;
}

function listSegments(dir: string): Segment[] {
  return fs
    .readdirSync(dir)
    .flatMap(file => {
      const match = SEGMENT.exec(file);
      return match === null ? [] : [{ epoch: match[1] ?? '', firstSeq: Number(match[2]), file }];
    })
    .sort((a, b) => (a.epoch === b.epoch ? a.firstSeq - b.firstSeq : a.epoch < b.epoch ? -1 : 1));
}

/** The last segment that can hold the record after `place`. */
function startSegment(segments: readonly Segment[], place: Place): number {
  const last = segments.findLastIndex(
    segment =>
      segment.epoch < place.epoch || (segment.epoch === place.epoch && segment.firstSeq <= place.seq + 1),
  );
  return Math.max(0, last);
}

/** A line that a crash cut in half is no record. */
function recordOf(line: string): UsageRecord | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as UsageRecord;
  } catch {
    return undefined;
  }
}

function isAfter(record: UsageRecord, place: Place | undefined): boolean {
  if (place === undefined || record.epoch > place.epoch) return true;
  return record.epoch === place.epoch && record.seq > place.seq;
}
