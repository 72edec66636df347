// The usage journal: what was appended is read in order, once, whatever restarts; its size is bounded.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { Journal } from './journal.ts';
import type { JournalOptions, UsageFields } from './journal.ts';

const FIELDS: UsageFields = {
  at: '2026-11-21T10:00:00.000Z',
  requestId: 'r',
  tenant: 'anonymous',
  model: 'm:latest',
  backend: 'b0',
  route: 'chat',
  code: 200,
  error: undefined,
  promptTokens: 3,
  completionTokens: 5,
  loadMs: undefined,
  promptMs: 1,
  evalMs: 2,
  queueMs: 0,
  durationMs: 4,
  costDollars: 0,
};

function journalOf(options: Partial<JournalOptions> = {}): { journal: Journal; failures: Error[] } {
  const failures: Error[] = [];
  const journal = new Journal({
    epoch: 'e1',
    onAppend: () => undefined,
    onFailure: error => void failures.push(error),
    ...options,
  });
  return { journal, failures };
}

function withDir(body: (dir: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bigo-journal-'));
    try {
      await body(dir);
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  };
}

function append(journal: Journal, count: number): void {
  for (let index = 0; index < count; index += 1) journal.append({ ...FIELDS, requestId: `r${index}` });
}

async function readAll(
  journal: Journal,
  after?: string,
  limit = 7,
): Promise<{ ids: string[]; next: string }> {
  const ids: string[] = [];
  let next = after;
  for (;;) {
    const page = await journal.read(next, limit);
    ids.push(...page.records.map(record => `${record.epoch}:${record.seq}`));
    next = page.next;
    if (!page.more) return { ids, next };
  }
}

test('records are read in order, page by page, and a second reading adds nothing', async () => {
  const { journal } = journalOf();
  append(journal, 20);
  const { ids, next } = await readAll(journal);
  assert.deepEqual(
    ids,
    Array.from({ length: 20 }, (_, index) => `e1:${index + 1}`),
  );
  assert.deepEqual((await readAll(journal, next)).ids, []);
  append(journal, 1);
  assert.deepEqual((await readAll(journal, next)).ids, ['e1:21']);
});

test('an empty journal names a place to go on from', async () => {
  const { journal } = journalOf();
  const page = await journal.read(undefined);
  assert.deepEqual([page.records.length, page.next, page.more, page.lost], [0, 'e1:0', false, false]);
});

test(
  'after a restart the rest of the old epoch comes first, then the new one',
  withDir(async dir => {
    const old = journalOf({ dir });
    append(old.journal, 10);
    // No close: the process was killed.
    const { journal } = journalOf({ dir, epoch: 'e2' });
    append(journal, 3);
    const { ids } = await readAll(journal, 'e1:8');
    assert.deepEqual(ids, ['e1:9', 'e1:10', 'e2:1', 'e2:2', 'e2:3']);
    assert.equal((await journal.read('e1:8')).lost, false);
    old.journal.close();
    journal.close();
  }),
);

test(
  'a line that a crash cut in half is no record and hides none',
  withDir(async dir => {
    const old = journalOf({ dir });
    append(old.journal, 2);
    old.journal.close();
    const [file = ''] = fs.readdirSync(dir);
    fs.appendFileSync(path.join(dir, file), '{"epoch":"e1","seq":3,"at":"20');
    const { journal } = journalOf({ dir, epoch: 'e2' });
    append(journal, 1);
    assert.deepEqual((await readAll(journal)).ids, ['e1:1', 'e1:2', 'e2:1']);
    journal.close();
  }),
);

test(
  'segments are bounded in bytes and in number; a reader that comes too late is told',
  withDir(async dir => {
    const { journal } = journalOf({ dir, segmentBytesMax: 1_000, segmentsMax: 4 });
    append(journal, 200);
    const files = fs.readdirSync(dir);
    assert.ok(files.length <= 4, `${files.length} segments`);
    for (const file of files) assert.ok(fs.statSync(path.join(dir, file)).size <= 1_000);
    journal.close();
    const { journal: next } = journalOf({ dir, epoch: 'e2' });
    const page = await next.read('e1:5');
    assert.equal(page.lost, true);
    assert.equal(page.records.at(-1)?.seq, 200);
    assert.equal((await next.read('e1:199')).lost, false);
    next.close();
  }),
);

test(
  'files can be read by their owner only',
  withDir(async dir => {
    const { journal } = journalOf({ dir });
    append(journal, 1);
    const [file = ''] = fs.readdirSync(dir);
    assert.equal(fs.statSync(path.join(dir, file)).mode & 0o077, 0);
    journal.close();
  }),
);

test(
  'a folder that vanishes is reported, the record stays readable, and nothing throws into the request',
  withDir(async dir => {
    const { journal, failures } = journalOf({ dir: path.join(dir, 'sub'), segmentBytesMax: 10 });
    append(journal, 1);
    fs.rmSync(path.join(dir, 'sub'), { recursive: true });
    append(journal, 1);
    assert.equal(failures.length, 1);
    assert.deepEqual((await readAll(journal, 'e1:0')).ids, ['e1:1', 'e1:2']);
    journal.close();
  }),
);

test('memory alone is bounded: the oldest records go first, and the reader is told', async () => {
  const { journal } = journalOf();
  append(journal, 10_500);
  const page = await journal.read('e1:1');
  assert.equal(page.lost, true);
  assert.ok((page.records[0]?.seq ?? 0) > 1);
  assert.equal((await readAll(journal, 'e1:10000', 1_000)).ids.length, 500);
});

test(
  'a folder that cannot be made is refused at the start, in one sentence',
  withDir(async dir => {
    const file = path.join(dir, 'file');
    fs.writeFileSync(file, '');
    assert.throws(
      () => journalOf({ dir: path.join(file, 'sub') }),
      /usage journal cannot be kept in .*ENOTDIR/,
    );
  }),
);
