// `bigo check-models`: the six steps of the model health check, for a CronJob or by hand. Never deletes anything.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { Client, type JsonObject } from './client.ts';
import {
  missingOf,
  modelCheckExit,
  readSettings,
  stepLine,
  type ModelCheckReport,
  type ModelCheckSettings,
  type Step,
} from './core/model-check.ts';
import { readModels, textOf } from './core/model-list.ts';
import { usageError } from './exit.ts';
import { checkedUrl } from './target.ts';

interface Flags {
  readonly json?: boolean;
}

export function define(command: Command, app: App): void {
  addJsonOption(command)
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      process.exitCode = await checkModels(app, flags);
    });
}

const HELP = `
Steps: Ollama reachable, models that should be there (asked from the Model Manager), models that are there, comparison,
pull of what is missing, one inference.

Variables and their defaults:
  OLLAMA_URL         http://ollama-service.model-hosting.svc.cluster.local:11434
  MODEL_MANAGER_URL  http://model-manager-service.model-hosting.svc.cluster.local:8080
  AUTO_PULL          true    pull what is missing
  TEST_INFERENCE     false   ask the first model that is there
  REPORT_STATUS      false   send the result to the Model Manager
  BIGO_KEY                   API key for both, where keys are on

Examples:
  $ OLLAMA_URL=http://127.0.0.1:11434 MODEL_MANAGER_URL=http://127.0.0.1:8080 bigo check-models
  $ AUTO_PULL=false bigo check-models --json

Exit codes: 0 all there, 1 Ollama or the manager not reachable, 2 models are missing still, 3 the inference failed,
64 wrong variables.`;

const questionMsMax = 10_000;
const pullMsMax = 900_000;
const inferenceMsMax = 60_000;
const reportMsMax = 5_000;

async function checkModels(app: App, flags: Flags): Promise<number> {
  const settings = readSettings(app.env);
  if (typeof settings === 'string') throw usageError(settings);
  const token = app.env.BIGO_KEY;
  const client = (url: string, origin: string) =>
    new Client(app, { url: checkedUrl(url, origin), origin, token });
  const check = new ModelCheck(app, {
    settings,
    ollama: client(settings.ollamaUrl, 'OLLAMA_URL'),
    manager: client(settings.managerUrl, 'MODEL_MANAGER_URL'),
    isJson: flags.json === true,
  });
  const report = await check.run();
  const exitCode = modelCheckExit(report);
  if (flags.json === true) app.terminal.print(JSON.stringify({ ...report, exitCode }));
  return exitCode;
}

interface Parts {
  readonly settings: ModelCheckSettings;
  readonly ollama: Client;
  readonly manager: Client;
  readonly isJson: boolean;
}

class ModelCheck {
  readonly #app: App;
  readonly #parts: Parts;
  readonly #steps: Step[] = [];
  readonly #pulled: string[] = [];
  #available: string[] = [];
  #missing: string[] = [];

  constructor(app: App, parts: Parts) {
    this.#app = app;
    this.#parts = parts;
  }

  async run(): Promise<ModelCheckReport> {
    const { ollama, manager } = this.#parts;
    try {
      await this.#steps1to6();
      await this.#report();
    } finally {
      await Promise.all([ollama.close(), manager.close()]);
    }
    return this.#result();
  }

  /** The first failure of the first three ends the check: what comes after it could not be true. */
  async #steps1to6(): Promise<void> {
    const { ollama, manager } = this.#parts;
    const url = ollama.target.url;
    const version = await this.#ask('reachable', `Ollama does not answer at ${url}`, () =>
      ollama.json({ path: '/api/version', timeMsMax: questionMsMax }),
    );
    if (version === undefined) return;
    this.#add('reachable', 'pass', `Ollama ${textOf(version.version)} answers at ${url}`);
    const told = await this.#ask(
      'expected',
      `The Model Manager does not answer at ${manager.target.url}`,
      () => manager.json({ path: '/api/ollama/models', timeMsMax: questionMsMax }),
    );
    if (told === undefined) return;
    const expected = namesOf(told.desired);
    this.#add('expected', 'pass', `${expected.length} models should be there${listed(expected)}`);
    if (!(await this.#lookAvailable(told))) return;
    this.#compare(expected);
    await this.#pull(expected);
    await this.#inference();
  }

  async #lookAvailable(told: JsonObject): Promise<boolean> {
    const tags = await this.#ask('available', 'The list of models cannot be read', () =>
      this.#parts.ollama.json({ path: '/api/tags', timeMsMax: questionMsMax }),
    );
    if (tags === undefined) return false;
    this.#available = readModels(tags).map(model => model.name);
    this.#add('available', 'pass', `${this.#available.length} models are there${listed(this.#available)}`);
    for (const { model, backends } of lackingOf(told)) {
      if (backends.length > 0) this.#add('available', 'warn', `${model} is not on ${backends.join(', ')}`);
    }
    return true;
  }

  #compare(expected: readonly string[]): void {
    this.#missing = missingOf(expected, this.#available);
    const isWhole = this.#missing.length === 0;
    const message = isWhole ? 'Nothing is missing' : `Missing: ${this.#missing.join(', ')}`;
    this.#add('compare', isWhole ? 'pass' : 'warn', message);
  }

  /** One after the other, so that one bad name does not keep the others away. */
  async #pull(expected: readonly string[]): Promise<void> {
    if (this.#missing.length === 0) return;
    if (!this.#parts.settings.autoPull)
      return this.#add('pull', 'skip', 'AUTO_PULL is not true: nothing is pulled');
    for (const model of this.#missing) {
      const problem = await this.#pullOne(model);
      if (problem === undefined) this.#pulled.push(model);
      const message = problem === undefined ? `Pulled ${model}` : `Could not pull ${model}: ${problem}`;
      this.#add('pull', problem === undefined ? 'pass' : 'fail', message);
    }
    this.#available = [...this.#available, ...this.#pulled];
    this.#missing = missingOf(expected, this.#available);
  }

  /** Undefined = it is there now; a stream that ends without `success` is no pull. */
  async #pullOne(model: string): Promise<string | undefined> {
    let last = '';
    try {
      const signal = AbortSignal.timeout(pullMsMax);
      for await (const line of this.#parts.ollama.objects({ path: '/api/pull', body: { model }, signal })) {
        last = textOf(line.status);
      }
    } catch (error) {
      return (error as Error).message;
    }
    return last === 'success' ? undefined : 'the stream ended early';
  }

  async #inference(): Promise<void> {
    if (!this.#parts.settings.testInference) return;
    const [model] = this.#available;
    if (model === undefined) return this.#add('inference', 'skip', 'There is no model to ask');
    const body = { model, prompt: 'Reply with OK', stream: false };
    const answer = await this.#ask('inference', `${model} does not answer`, () =>
      this.#parts.ollama.json({ path: '/api/generate', body, timeMsMax: inferenceMsMax }),
    );
    if (answer === undefined) return;
    const hasText = textOf(answer.response).trim() !== '';
    this.#add('inference', hasText ? 'pass' : 'fail', hasText ? `${model} answers` : `${model} gave no text`);
  }

  async #report(): Promise<void> {
    if (!this.#parts.settings.reportStatus) return;
    const result = this.#result();
    const failed = this.#steps.filter(step => step.result === 'fail');
    const body = {
      source: 'cronjob',
      available_models: result.available,
      missing_models: result.missing,
      timestamp: new Date().toISOString(),
      status: modelCheckExit(result) === 0 ? 'ok' : 'failed',
      message: failed
        .map(step => step.message)
        .join('; ')
        .slice(0, 2_000),
    };
    await this.#parts.manager
      .json({ path: '/api/health/report', body, timeMsMax: reportMsMax })
      .then(() => this.#add('report', 'pass', 'Reported to the Model Manager'))
      .catch((error: Error) => this.#add('report', 'warn', `Could not report: ${error.message}`));
  }

  async #ask<Value>(
    step: Step['step'],
    otherwise: string,
    question: () => Promise<Value>,
  ): Promise<Value | undefined> {
    try {
      return await question();
    } catch (error) {
      this.#add(step, 'fail', `${otherwise}: ${(error as Error).message}`);
      return undefined;
    }
  }

  #add(step: Step['step'], result: Step['result'], message: string): void {
    const made = { step, result, message };
    this.#steps.push(made);
    if (!this.#parts.isJson) this.#app.terminal.print(stepLine(made));
  }

  #result(): ModelCheckReport {
    const [available, missing, pulled, steps] = [this.#available, this.#missing, this.#pulled, this.#steps];
    return { available, missing, pulled, steps };
  }
}

function namesOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];
}

/** Per backend, as the manager sees it. */
function lackingOf(told: JsonObject): { model: string; backends: string[] }[] {
  const list = Array.isArray(told.missing) ? (told.missing as JsonObject[]) : [];
  return list.map(entry => ({ model: textOf(entry.model), backends: namesOf(entry.backends) }));
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? '' : `: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}`;
}
