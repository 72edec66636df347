// Medians and quantiles. Never interpolates: every figure it gives was measured.

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.ceil(share * sorted.length) - 1;
  return sorted[Math.min(sorted.length - 1, Math.max(0, rank))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The median over runs of every figure of a row. */
export function medians<T extends Readonly<Record<string, number>>>(rows: readonly T[]): T {
  const names = Object.keys(rows[0] ?? {});
  return Object.fromEntries(names.map(name => [name, median(rows.map(row => row[name] ?? NaN))])) as T;
}

/** Three significant digits: what a benchmark can mean, and what keeps result files small. */
export function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value;
}
