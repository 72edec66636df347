// Pulls and health reports as the text of one ConfigMap, for every replica of the manager. Never grows over its bounds.
import type { StoredPull } from './pull.ts';
import type { HealthReport } from './schemas.ts';
import type { ConfigMapData } from './usage-doc.ts';

export interface SharedState {
  /** Newest first, both. */
  pulls: readonly StoredPull[];
  reports: readonly HealthReport[];
}

const pullsMax = 50;
const reportsMax = 300;
const reportsCharsMax = 400_000;
const namesMax = 100;

export function readState(data: ConfigMapData = {}): SharedState {
  return {
    pulls: listOf(data['pulls']).filter(isPull),
    reports: listOf(data['reports']).filter(isReport),
  };
}

export function writeState({ pulls, reports }: SharedState): ConfigMapData {
  return { pulls: JSON.stringify(pulls), reports: JSON.stringify(reports) };
}

/** What is stored afterwards: who cancels a pull of another replica writes that here, and it is not written over. */
export function storedPull(before: StoredPull | undefined, pull: StoredPull): StoredPull {
  return before?.status === 'cancelled' ? before : pull;
}

export function addPull(state: SharedState, pull: StoredPull): StoredPull {
  const before = state.pulls.find(({ id }) => id === pull.id);
  const stored = storedPull(before, pull);
  const others = state.pulls.filter(({ id }) => id !== pull.id);
  const all = [stored, ...others].toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  state.pulls = all.slice(0, pullsMax);
  return stored;
}

/** Long lists are cut: how many there were is said in the message. */
export function addReport(state: SharedState, report: HealthReport): void {
  const reports = [shortened(report), ...state.reports].slice(0, reportsMax);
  let chars = 0;
  state.reports = reports.filter(one => {
    chars += JSON.stringify(one).length;
    return chars <= reportsCharsMax;
  });
}

function shortened(report: HealthReport): HealthReport {
  const { available_models: available, missing_models: missing, message = '' } = report;
  if (available.length <= namesMax && missing.length <= namesMax) return report;
  const counts = `${available.length} models there, ${missing.length} missing`;
  return {
    ...report,
    available_models: available.slice(0, namesMax),
    missing_models: missing.slice(0, namesMax),
    message: message === '' ? counts : `${counts}; ${message}`,
  };
}

function listOf(text: string | undefined): unknown[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isPull(value: unknown): value is StoredPull {
  const pull = value as Partial<StoredPull> | null;
  return typeof pull?.id === 'string' && typeof pull.model === 'string' && typeof pull.status === 'string';
}

function isReport(value: unknown): value is HealthReport {
  const report = value as Partial<HealthReport> | null;
  return Array.isArray(report?.available_models) && Array.isArray(report.missing_models);
}
