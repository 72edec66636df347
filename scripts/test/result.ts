// What a suite run comes to, and which skips are in order. Pure: never prints, never runs anything.

export interface Skip {
  readonly test: string;
  readonly reason: string;
}

export interface SuiteResult {
  readonly name: string;
  readonly files: number;
  readonly passed: number;
  readonly failed: number;
  readonly skips: readonly Skip[];
  /** Tests that failed beside the others and passed when their file ran a second time, alone. Counted as passed, and said aloud. */
  readonly unsteady: readonly string[];
  readonly seconds: number;
}

/** Skips that stay in order even where every real part must be there: the reason begins with one of these. */
const allowedReasons: readonly { readonly begins: string; readonly why: string }[] = [
  { begins: 'not offered by ', why: 'an implementation lacks a feature; the reason names both' },
  { begins: 'only on ', why: 'the rule belongs to another operating system or processor' },
];

export function isAllowedSkip(skip: Skip): boolean {
  return allowedReasons.some(allowed => skip.reason.startsWith(allowed.begins));
}

/** `needs PART: COMMAND`, also with several parts, is how test/tools/parts.ts says that real parts are missing. */
function missingParts(skip: Skip): string[] {
  const parts = /^needs ([\w, -]+): npm run tools/.exec(skip.reason)?.[1];
  return parts === undefined ? [] : parts.split(/, | and /);
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function totals(results: readonly SuiteResult[]): Totals {
  const sum = (of: (result: SuiteResult) => number): number =>
    results.reduce((all, result) => all + of(result), 0);
  return {
    passed: sum(result => result.passed),
    failed: sum(result => result.failed),
    skipped: sum(result => result.skips.length),
  };
}

export interface LeftOut {
  readonly suite: string;
  readonly part: string;
  readonly tests: number;
}

export function leftOut(results: readonly SuiteResult[]): LeftOut[] {
  return results.flatMap(result => {
    const counts = new Map<string, number>();
    for (const skip of result.skips) {
      for (const part of missingParts(skip)) counts.set(part, (counts.get(part) ?? 0) + 1);
    }
    return [...counts].map(([part, tests]) => ({ suite: result.name, part, tests }));
  });
}

/** Reasons with how often each was given, most often first. */
export function reasonCounts(skips: readonly Skip[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const skip of skips) counts.set(skip.reason, (counts.get(skip.reason) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]);
}
