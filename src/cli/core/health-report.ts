// What a health check found, as text, JSON and exit code. Pure; cli/health.ts asks the questions.

export type Result = 'pass' | 'warn' | 'fail';

export interface Check {
  readonly name: 'api' | 'model' | 'inference';
  readonly result: Result;
  readonly message: string;
  readonly ms?: number;
}

export interface HealthInput {
  readonly endpoint: string;
  readonly model: string;
  readonly checks: readonly Check[];
}

const VERDICTS = {
  OK: 0,
  UNREACHABLE: 1,
  'MODEL MISSING': 2,
  'INFERENCE FAILED': 3,
  DEGRADED: 4,
} as const;
export type Verdict = keyof typeof VERDICTS;

const FAIL_VERDICTS = { api: 'UNREACHABLE', model: 'MODEL MISSING', inference: 'INFERENCE FAILED' } as const;

export function verdictOf(checks: readonly Check[]): Verdict {
  const failed = checks.find(check => check.result === 'fail');
  if (failed !== undefined) return FAIL_VERDICTS[failed.name];
  return checks.some(check => check.result === 'warn') ? 'DEGRADED' : 'OK';
}

export function exitCodeOf(verdict: Verdict): number {
  return VERDICTS[verdict];
}

const rule = '='.repeat(38);

export function headerLines({ endpoint, model }: { endpoint: string; model: string }): string[] {
  return [rule, '  Ollama Health Check', rule, `  Endpoint: ${endpoint}`, `  Model: ${model}`, rule, ''];
}

export function checkLine(check: Check): string {
  return `[${check.result.toUpperCase()}] ${check.message}`;
}

export function summaryLines(checks: readonly Check[]): string[] {
  const count = (result: Result) => checks.filter(check => check.result === result).length;
  return [
    '',
    rule,
    '  Summary',
    rule,
    '',
    `Checks passed: ${count('pass')}`,
    `Warnings:      ${count('warn')}`,
    `Checks failed: ${count('fail')}`,
    '',
    `OLLAMA HEALTH: ${verdictOf(checks)}`,
  ];
}

export function healthJson(input: HealthInput) {
  const status = verdictOf(input.checks);
  const count = (result: Result) => input.checks.filter(check => check.result === result).length;
  return {
    ...input,
    passed: count('pass'),
    warnings: count('warn'),
    failed: count('fail'),
    status,
    exitCode: exitCodeOf(status),
  };
}
