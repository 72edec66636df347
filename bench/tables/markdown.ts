// Tables in Markdown, and the bars that a benchmark has to clear. Never a figure of its own.

export interface Section {
  readonly name: string;
  readonly lines: readonly string[];
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly isHeld: boolean;
}

export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---|').join('')}`, ...rows.map(line)];
}

/** Figures as a person reads them: three digits, thousands apart. */
export function shown(value: number | undefined, unit = ''): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = value.toLocaleString('en-US', { maximumFractionDigits: digits });
  return unit === '' ? text : `${text} ${unit}`;
}

export function atMost(what: string, measured: number, limit: number, unit = ''): Bar {
  return {
    what,
    wanted: `≤ ${shown(limit, unit)}`,
    measured: shown(measured, unit),
    isHeld: measured <= limit,
  };
}

export function atLeast(what: string, measured: number, limit: number, unit = ''): Bar {
  return {
    what,
    wanted: `≥ ${shown(limit, unit)}`,
    measured: shown(measured, unit),
    isHeld: measured >= limit,
  };
}

/** When and where, and who is missing. */
export function origin(result: {
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly leftOut: Readonly<Record<string, string>>;
}): string[] {
  const { cpu, cores, node } = result.machine;
  const missing = Object.entries(result.leftOut).map(([name, why]) => `${name} (${why.split('\n')[0]})`);
  const left = missing.length === 0 ? '' : ` Left out: ${missing.join('; ')}.`;
  return [`Measured ${result.at.slice(0, 10)} on ${cores} cores of ${cpu}, Node ${node}.${left}`];
}
