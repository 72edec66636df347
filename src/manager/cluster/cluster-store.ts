// Usage, pulls and reports in ConfigMaps, shared by every replica of the manager. Never keeps a copy: each look reads what is there.
import type { StoredPull } from '../core/pull.ts';
import type { HealthReport } from '../core/schemas.ts';
import { addPull, addReport, readState, writeState, type SharedState } from '../core/shared-state.ts';
import { NO_USAGE, type Counters } from '../core/usage.ts';
import { foreignData, USAGE_CONFIG_MAP, UsageDoc } from '../core/usage-doc.ts';
import type { UsagePage } from '../core/wire.ts';
import type { Log } from '../../platform/log.ts';
import type { HistoryRow, ManagerStore } from '../types.ts';
import { ConfigMap, type ConfigMapClient } from './config-map.ts';

export interface ClusterStoreOptions {
  readonly client: ConfigMapClient;
  /** Where the manager's own ConfigMaps lie. */
  readonly namespace: string;
  readonly log: Log;
}

const STATE_CONFIG_MAP = 'model-manager-state';
/** Of the room for hours, by how often the API server found the object too large. */
const hourShares = [1, 0.3, 0.05, 0];

export class ClusterStore implements ManagerStore {
  private readonly usage: ConfigMap<UsageDoc>;
  private readonly state: ConfigMap<SharedState>;

  constructor({ client, namespace, log }: ClusterStoreOptions) {
    const shared = { client, namespace, log };
    this.usage = new ConfigMap({
      ...shared,
      name: USAGE_CONFIG_MAP,
      read: data => new UsageDoc(data),
      write: (doc, before, attempt) => ({ ...foreignData(before), ...doc.toData(hourShares[attempt]) }),
    });
    this.state = new ConfigMap({
      ...shared,
      name: STATE_CONFIG_MAP,
      read: readState,
      write: (doc, before) => ({ ...before, ...writeState(doc) }),
    });
  }

  /** So that people find the key before the first request; what is wrong is in the log. */
  async prepare(): Promise<void> {
    await this.usage.change(() => undefined).catch(() => undefined);
  }

  async place(gateway: string): Promise<string | undefined> {
    return (await this.usage.look()).places.get(gateway);
  }

  apply(gateway: string, page: UsagePage, after: string | undefined): Promise<boolean> {
    return this.usage.change(doc => doc.apply(gateway, page, after));
  }

  async read(): Promise<ReadonlyMap<string, Counters>> {
    return (await this.usage.look()).models;
  }

  async history(fromHour: string): Promise<readonly HistoryRow[]> {
    const { hours } = await this.usage.look();
    return [...hours]
      .filter(([hour]) => hour >= fromHour)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([hour, sums]) => [...sums].map(([model, sum]) => ({ hour, model, ...sum })));
  }

  async count(model: string, what: 'pulls' | 'requests', at: string): Promise<void> {
    const counters = { ...NO_USAGE, [what]: 1, lastUsed: what === 'requests' ? at : '' };
    await this.usage.change(doc => doc.add(model, counters));
  }

  reset(): Promise<void> {
    return this.usage.change(doc => doc.reset());
  }

  savePull(pull: StoredPull): Promise<StoredPull> {
    return this.state.change(state => addPull(state, pull));
  }

  async pulls(): Promise<readonly StoredPull[]> {
    return (await this.state.look()).pulls;
  }

  async addReport(report: HealthReport): Promise<void> {
    await this.state.change(state => addReport(state, report));
  }

  async reports(limit: number): Promise<readonly HealthReport[]> {
    return (await this.state.look()).reports.slice(0, limit);
  }

  close(): void {}
}
