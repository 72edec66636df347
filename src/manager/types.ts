// What the parts of the manager know of each other. The seams where a cluster takes the place of this machine. Never holds a rule.
import type { Counters, HourSum } from './core/usage.ts';
import type { StoredPull } from './core/pull.ts';
import type { HealthReport } from './core/schemas.ts';
import type { UsagePage } from './core/wire.ts';

export interface HistoryRow extends HourSum {
  readonly hour: string;
  readonly model: string;
}

/** On this machine SQLite; in a cluster the ConfigMap model-usage-stats. */
export interface UsageStore {
  /** Where reading of this gateway's journal goes on. */
  place(gateway: string): Promise<string | undefined>;
  /**
   * All or nothing, with the place: a page that is given twice counts once. False: the place is not `after` any more, where this page
   * was read; somebody else read on, or all was deleted. Then it is read again from there.
   */
  apply(gateway: string, page: UsagePage, after: string | undefined): Promise<boolean>;
  read(): Promise<ReadonlyMap<string, Counters>>;
  history(fromHour: string): Promise<readonly HistoryRow[]>;
  count(model: string, what: 'pulls' | 'requests', at: string): Promise<void>;
  reset(): Promise<void>;
}

export interface PullStore {
  /** What is stored then: a pull that somebody else cancelled stays cancelled. */
  savePull(pull: StoredPull): Promise<StoredPull>;
  /** Newest first. */
  pulls(): Promise<readonly StoredPull[]>;
}

export interface ReportStore {
  addReport(report: HealthReport): Promise<void>;
  /** Newest first. */
  reports(limit: number): Promise<readonly HealthReport[]>;
}

export interface ManagerStore extends UsageStore, PullStore, ReportStore {
  close(): void;
}

export interface GatewayAddress {
  /** How people tell it apart. */
  readonly name: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly adminToken?: string;
  /** Gateways of one fleet look at the same backends; absent = a fleet of its own. */
  readonly fleet?: string;
}

/** What a caller presented; sent on to the gateway, so that its keys and roles hold here too. Never stored, never logged. */
export type Credentials = Readonly<Record<string, string>>;

export interface Caller {
  readonly tenant: string;
  readonly role: 'user' | 'admin' | 'none';
  /** Keys are on at the gateway. */
  readonly keys: boolean;
  readonly credentials: Credentials;
}
