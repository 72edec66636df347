// What `bigo check-models` is told by its environment and what it found, as report and exit code. Pure; cli/check-models.ts asks.
import { modelKey } from '../../api/names.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ModelCheckSettings {
  readonly ollamaUrl: string;
  readonly managerUrl: string;
  readonly autoPull: boolean;
  readonly testInference: boolean;
  readonly reportStatus: boolean;
}

const DEFAULTS = {
  OLLAMA_URL: 'http://ollama-service.model-hosting.svc.cluster.local:11434',
  MODEL_MANAGER_URL: 'http://model-manager-service.model-hosting.svc.cluster.local:8080',
  AUTO_PULL: 'true',
  TEST_INFERENCE: 'false',
  REPORT_STATUS: 'false',
} as const;

/** A switch that is neither true nor false is an error in words: read as false it would hide a typing mistake. */
export function readSettings(env: Environment): ModelCheckSettings | string {
  const text = (name: keyof typeof DEFAULTS) => {
    const value = env[name]?.trim() ?? '';
    return value === '' ? DEFAULTS[name] : value;
  };
  for (const name of ['AUTO_PULL', 'TEST_INFERENCE', 'REPORT_STATUS'] as const) {
    if (!['true', 'false'].includes(text(name))) return `${name} must be true or false, not "${text(name)}"`;
  }
  return {
    ollamaUrl: text('OLLAMA_URL').replace(/\/+$/, ''),
    managerUrl: text('MODEL_MANAGER_URL').replace(/\/+$/, ''),
    autoPull: text('AUTO_PULL') === 'true',
    testInference: text('TEST_INFERENCE') === 'true',
    reportStatus: text('REPORT_STATUS') === 'true',
  };
}

export type StepName = 'reachable' | 'expected' | 'available' | 'compare' | 'pull' | 'inference' | 'report';
export interface Step {
  readonly step: StepName;
  readonly result: 'pass' | 'skip' | 'warn' | 'fail';
  readonly message: string;
}

export interface ModelCheckReport {
  readonly available: readonly string[];
  readonly missing: readonly string[];
  readonly pulled: readonly string[];
  readonly steps: readonly Step[];
}

/** Names are compared as Ollama reads them: `mistral` is `mistral:latest`. */
export function missingOf(expected: readonly string[], available: readonly string[]): string[] {
  const there = new Set(available.map(keyOf));
  return expected.filter(name => !there.has(keyOf(name)));
}

function keyOf(name: string): string {
  return modelKey(name) ?? name;
}

/** 0 all there · 1 Ollama or the manager not reachable · 2 models are missing still · 3 the inference failed. */
export function modelCheckExit({ steps, missing }: ModelCheckReport): number {
  const failed = new Set(steps.filter(step => step.result === 'fail').map(({ step }) => step));
  if (failed.has('reachable') || failed.has('expected') || failed.has('available')) return 1;
  if (missing.length > 0) return 2;
  return failed.has('inference') ? 3 : 0;
}

export function stepLine({ result, message }: Step): string {
  return `[${result.toUpperCase()}] ${message}`;
}
