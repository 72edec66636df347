// Usage, pulls and reports in one SQLite file, for a manager outside a cluster. Never counts a journal record twice:
// counters and the place up to which a journal was read change in one transaction.
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BigoError } from '../api/errors.ts';
import type { StoredPull } from './core/pull.ts';
import type { HealthReport } from './core/schemas.ts';
import { storedPull } from './core/shared-state.ts';
import { batchOf, hoursMax, NO_USAGE, otherModels, type Counters } from './core/usage.ts';
import type { UsagePage } from './core/wire.ts';
import type { HistoryRow, ManagerStore } from './types.ts';

const busyMsMax = 5_000;
const modelsMax = 5_000;
const epochsMax = 2_000;
const pullsMax = 200;
const reportsMax = 2_000;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS usage (
  model TEXT PRIMARY KEY, pulls INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
  errors INTEGER NOT NULL DEFAULT 0, cancelled INTEGER NOT NULL DEFAULT 0, promptTokens INTEGER NOT NULL DEFAULT 0,
  completionTokens INTEGER NOT NULL DEFAULT 0, costUsd REAL NOT NULL DEFAULT 0, lastUsed TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS hours (
  hour TEXT, model TEXT, requests INTEGER NOT NULL, errors INTEGER NOT NULL, cancelled INTEGER NOT NULL,
  promptTokens INTEGER NOT NULL, completionTokens INTEGER NOT NULL, costUsd REAL NOT NULL, PRIMARY KEY (hour, model));
CREATE TABLE IF NOT EXISTS epochs (epoch TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS places (gateway TEXT PRIMARY KEY, next TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pulls (id TEXT PRIMARY KEY, startedAt TEXT NOT NULL, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reports (n INTEGER PRIMARY KEY, json TEXT NOT NULL);`;

const ADD_USAGE = `
INSERT INTO usage (model, pulls, requests, errors, cancelled, promptTokens, completionTokens, costUsd, lastUsed)
VALUES (:model, :pulls, :requests, :errors, :cancelled, :promptTokens, :completionTokens, :costUsd, :lastUsed)
ON CONFLICT (model) DO UPDATE SET pulls = pulls + excluded.pulls, requests = requests + excluded.requests,
  errors = errors + excluded.errors, cancelled = cancelled + excluded.cancelled,
  promptTokens = promptTokens + excluded.promptTokens, completionTokens = completionTokens + excluded.completionTokens,
  costUsd = costUsd + excluded.costUsd, lastUsed = max(lastUsed, excluded.lastUsed)`;

const ADD_HOUR = `
INSERT INTO hours (hour, model, requests, errors, cancelled, promptTokens, completionTokens, costUsd)
VALUES (:hour, :model, :requests, :errors, :cancelled, :promptTokens, :completionTokens, :costUsd)
ON CONFLICT (hour, model) DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors,
  cancelled = cancelled + excluded.cancelled, promptTokens = promptTokens + excluded.promptTokens,
  completionTokens = completionTokens + excluded.completionTokens, costUsd = costUsd + excluded.costUsd`;

/** `file` may be `:memory:`. */
export function openStore(file: string): ManagerStore {
  return new SqliteStore(open(file));
}

function open(file: string): DatabaseSync {
  try {
    if (file !== ':memory:') fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(file, { timeout: busyMsMax });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    db.exec(SCHEMA);
    return db;
  } catch (error) {
    throw new BigoError('usage_file', `Usage cannot be kept in ${file}: ${(error as Error).message}.`);
  }
}

class SqliteStore implements ManagerStore {
  private readonly db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  async place(gateway: string): Promise<string | undefined> {
    return this.placeOf(gateway);
  }

  async apply(gateway: string, page: UsagePage, after: string | undefined): Promise<boolean> {
    return this.transaction(() => {
      if (this.placeOf(gateway) !== after) return false;
      const batch = batchOf(page.records, this.epochs(page));
      for (const [model, counters] of batch.models) this.addUsage(model, counters);
      for (const { hour, model, counters } of batch.hours.values()) {
        const { pulls: _, lastUsed: __, ...rest } = counters;
        this.db.prepare(ADD_HOUR).run({ hour, model: this.known(model), ...rest });
      }
      const setEpoch = this.db.prepare('INSERT OR REPLACE INTO epochs (epoch, seq) VALUES (?, ?)');
      for (const [epoch, seq] of batch.places) setEpoch.run(epoch, seq);
      this.db.prepare('INSERT OR REPLACE INTO places (gateway, next) VALUES (?, ?)').run(gateway, page.next);
      this.bound();
      return true;
    });
  }

  async read(): Promise<ReadonlyMap<string, Counters>> {
    const rows = this.db.prepare('SELECT * FROM usage').all() as unknown as (Counters & { model: string })[];
    return new Map(rows.map(({ model, ...counters }) => [model, counters]));
  }

  async history(fromHour: string): Promise<readonly HistoryRow[]> {
    const rows = this.db.prepare('SELECT * FROM hours WHERE hour >= ? ORDER BY hour').all(fromHour);
    return rows as unknown as HistoryRow[];
  }

  async count(model: string, what: 'pulls' | 'requests', at: string): Promise<void> {
    this.addUsage(model, { ...NO_USAGE, [what]: 1, lastUsed: what === 'requests' ? at : '' });
  }

  /** The places stay, so that what was counted before is not counted again. */
  async reset(): Promise<void> {
    this.transaction(() => this.db.exec('DELETE FROM usage; DELETE FROM hours;'));
  }

  async savePull(pull: StoredPull): Promise<StoredPull> {
    const row = this.db.prepare('SELECT json FROM pulls WHERE id = ?').get(pull.id);
    const before = row === undefined ? undefined : (JSON.parse(String(row.json)) as StoredPull);
    const stored = storedPull(before, pull);
    this.db
      .prepare('INSERT OR REPLACE INTO pulls (id, startedAt, json) VALUES (?, ?, ?)')
      .run(pull.id, pull.startedAt, JSON.stringify(stored));
    this.db
      .prepare('DELETE FROM pulls WHERE id NOT IN (SELECT id FROM pulls ORDER BY startedAt DESC LIMIT ?)')
      .run(pullsMax);
    return stored;
  }

  async pulls(): Promise<readonly StoredPull[]> {
    const rows = this.db.prepare('SELECT json FROM pulls ORDER BY startedAt DESC').all();
    return rows.map(row => JSON.parse(String(row.json)) as StoredPull);
  }

  async addReport(report: HealthReport): Promise<void> {
    this.db.prepare('INSERT INTO reports (json) VALUES (?)').run(JSON.stringify(report));
    this.db
      .prepare('DELETE FROM reports WHERE n NOT IN (SELECT n FROM reports ORDER BY n DESC LIMIT ?)')
      .run(reportsMax);
  }

  async reports(limit: number): Promise<readonly HealthReport[]> {
    const rows = this.db.prepare('SELECT json FROM reports ORDER BY n DESC LIMIT ?').all(limit);
    return rows.map(row => JSON.parse(String(row.json)) as HealthReport);
  }

  close(): void {
    this.db.close();
  }

  private placeOf(gateway: string): string | undefined {
    const row = this.db.prepare('SELECT next FROM places WHERE gateway = ?').get(gateway);
    return row === undefined ? undefined : String(row.next);
  }

  private epochs(page: UsagePage): Map<string, number> {
    const get = this.db.prepare('SELECT seq FROM epochs WHERE epoch = ?');
    const found = new Map<string, number>();
    for (const epoch of new Set(page.records.map(record => record.epoch))) {
      const row = get.get(epoch);
      if (row !== undefined) found.set(epoch, Number(row.seq));
    }
    return found;
  }

  private addUsage(model: string, counters: Counters): void {
    this.db.prepare(ADD_USAGE).run({ model: this.known(model), ...counters });
  }

  /** Names come from callers, so their number must have a bound. */
  private known(model: string): string {
    if (this.db.prepare('SELECT 1 FROM usage WHERE model = ?').get(model) !== undefined) return model;
    const row = this.db.prepare('SELECT count(*) AS n FROM usage').get();
    return Number(row?.n ?? 0) < modelsMax ? model : otherModels;
  }

  private bound(): void {
    this.db.exec(`
      DELETE FROM hours WHERE hour NOT IN (SELECT DISTINCT hour FROM hours ORDER BY hour DESC LIMIT ${hoursMax});
      DELETE FROM epochs WHERE epoch NOT IN (SELECT epoch FROM epochs ORDER BY epoch DESC LIMIT ${epochsMax});`);
  }

  private transaction<Value>(work: () => Value): Value {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      const value = work();
      this.db.exec('COMMIT');
      return value;
    } catch (error) {
      this.db.exec('ROLLBACK');
      throw error;
    }
  }
}
