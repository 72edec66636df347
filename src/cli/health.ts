// `bigo health`: reachable, model there, answers, fast enough? One exit code for each. Never repairs anything.
import { type Command, Option } from 'commander';
import { humanBytes } from '../api/quantities.ts';
import type { App } from './app.ts';
import { addJsonOption } from './client-flags.ts';
import { Client } from './client.ts';
import {
  type Check,
  checkLine,
  exitCodeOf,
  headerLines,
  healthJson,
  summaryLines,
  verdictOf,
} from './core/health-report.ts';
import { defaultModel, findModel, type ListedModel, readModels, textOf } from './core/model-list.ts';
import { EXIT, usageError } from './exit.ts';
import { loadConfig } from './load-config.ts';
import { checkedUrl, gatewayTarget, type Target } from './target.ts';

interface HealthFlags {
  readonly endpoint?: string;
  readonly key?: string;
  readonly model?: string;
  readonly timeoutMs: string;
  readonly degradedMs: string;
  readonly internal?: boolean;
  readonly external?: boolean;
  readonly json?: boolean;
}

const INTERNAL_URL = 'http://ollama.bigo.svc.cluster.local:11434';

export function define(command: Command, app: App): void {
  addJsonOption(command)
    .addOption(new Option('--endpoint <url>', 'address to check').conflicts(['internal', 'external']))
    .addOption(
      new Option(
        '--internal',
        `check workers.ollama.endpoint of the configuration, else ${INTERNAL_URL}`,
      ).conflicts('external'),
    )
    .option('--external', 'check the address that the other commands use (default)')
    .option('--model <name>', 'model to check (default: the alias `default`, else the first one)')
    .option(
      '--timeout-ms <n>',
      'time limit of the inference; the other questions have at most 10 s',
      '120000',
    )
    .option('--degraded-ms <n>', 'an inference that takes longer is degraded', '30000')
    .option('--key <key>', 'API key (default: BIGO_KEY)')
    .addHelpText('after', HELP)
    .action(async (flags: HealthFlags) => {
      process.exitCode = await checkHealth(app, flags);
    });
}

const HELP = `
Examples:
  $ bigo health
  $ bigo health --endpoint http://gpu-1:11434 --model llama3.2:1b
  $ bigo health --internal --json

Exit codes: 0 healthy, 1 not reachable, 2 model missing, 3 inference failed, 4 degraded (slow), 64 wrong arguments.`;

async function checkHealth(app: App, flags: HealthFlags): Promise<number> {
  const limits = {
    timeoutMs: positive('--timeout-ms', flags.timeoutMs),
    degradedMs: positive('--degraded-ms', flags.degradedMs),
  };
  const client = new Client(app, targetOf(app, flags));
  const report = new Report(app, { isJson: flags.json === true, endpoint: client.target.url });
  try {
    await runChecks(client, report, { wanted: flags.model, ...limits });
  } finally {
    await client.close();
  }
  return app.interrupted().aborted ? EXIT.interrupted : report.finish();
}

function targetOf(app: App, flags: HealthFlags): Target {
  const external = gatewayTarget(flags.key === undefined ? {} : { key: flags.key }, app.env);
  if (flags.endpoint !== undefined)
    return { ...external, url: checkedUrl(flags.endpoint, '--endpoint'), origin: '--endpoint' };
  if (flags.internal !== true) return external;
  const { endpoint } = loadConfig({ env: app.env, cwd: app.cwd }).config.workers.ollama;
  return { ...external, url: endpoint ?? INTERNAL_URL, origin: '--internal' };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= 86_400_000) return value;
  throw usageError(`${flag} must be a whole number of milliseconds from 1 to 86400000, not "${text}"`);
}

interface Limits {
  readonly wanted: string | undefined;
  readonly timeoutMs: number;
  readonly degradedMs: number;
}

/** The first failure ends the check: what comes after it could not be true. */
async function runChecks(client: Client, report: Report, limits: Limits): Promise<void> {
  const models = await checkApi(client, report, limits);
  if (models === undefined) return;
  const model = checkModel(models, report, limits.wanted);
  if (model !== undefined) await checkInference(client, report, { model, ...limits });
}

const questionMsMax = 10_000;

async function checkApi(client: Client, report: Report, limits: Limits): Promise<ListedModel[] | undefined> {
  const { url } = client.target;
  try {
    const timeMsMax = Math.min(questionMsMax, limits.timeoutMs);
    const models = readModels(await client.json({ path: '/api/tags', timeMsMax }));
    report.begin(limits.wanted ?? defaultModel(models) ?? 'none');
    report.add({ name: 'api', result: 'pass', message: `API endpoint accessible (${url})` });
    return models;
  } catch (error) {
    report.begin(limits.wanted ?? 'not known');
    report.add({
      name: 'api',
      result: 'fail',
      message: `API endpoint not accessible (${url}): ${(error as Error).message}`,
    });
    return undefined;
  }
}

function checkModel(
  models: readonly ListedModel[],
  report: Report,
  wanted: string | undefined,
): string | undefined {
  const name = wanted ?? defaultModel(models);
  const model = name === undefined ? undefined : findModel(models, name);
  if (name === undefined || model === undefined) {
    const message =
      name === undefined
        ? 'No model is there (add one: bigo pull llama3.2:1b)'
        : `Model ${name} not available (add it: bigo pull ${name})`;
    report.add({ name: 'model', result: 'fail', message });
    return undefined;
  }
  report.add({
    name: 'model',
    result: 'pass',
    message: `Model ${name} available (size: ${humanBytes(model.sizeBytes)})`,
  });
  return name;
}

const tokensMax = 64;

async function checkInference(
  client: Client,
  report: Report,
  ask: Limits & { model: string },
): Promise<void> {
  const startMs = performance.now();
  try {
    const answer = await client.json({
      path: '/api/generate',
      body: { model: ask.model, prompt: 'Hello', stream: false, options: { num_predict: tokensMax } },
      timeMsMax: ask.timeoutMs,
    });
    const ms = Math.round(performance.now() - startMs);
    report.add(judge(textOf(answer.response), ms, ask.degradedMs));
  } catch (error) {
    report.add({
      name: 'inference',
      result: 'fail',
      message: `Inference failed: ${(error as Error).message}`,
    });
  }
}

function judge(response: string, ms: number, degradedMs: number): Check {
  if (response.trim() === '')
    return { name: 'inference', result: 'fail', message: 'Inference gave no text', ms };
  const seconds = (ms / 1000).toFixed(ms < 9_950 ? 1 : 0);
  if (ms <= degradedMs)
    return { name: 'inference', result: 'pass', message: `Inference successful (${seconds}s)`, ms };
  const limit = degradedMs / 1000;
  return {
    name: 'inference',
    result: 'warn',
    message: `Inference slow (${seconds}s, more than ${limit}s)`,
    ms,
  };
}

/** Prints as it goes, so that a slow check is seen to be running. */
class Report {
  readonly #app: App;
  readonly #isJson: boolean;
  readonly #endpoint: string;
  readonly #checks: Check[] = [];
  #model = '';

  constructor(app: App, how: { isJson: boolean; endpoint: string }) {
    this.#app = app;
    this.#isJson = how.isJson;
    this.#endpoint = how.endpoint;
  }

  begin(model: string): void {
    this.#model = model;
    this.#print(headerLines({ endpoint: this.#endpoint, model }));
  }

  add(check: Check): void {
    this.#checks.push(check);
    const style = { pass: 'green', warn: 'yellow', fail: 'red' } as const;
    const line = checkLine(check);
    const tag = line.slice(0, 6);
    this.#print([this.#app.terminal.paint(style[check.result], tag) + line.slice(6)]);
  }

  finish(): number {
    this.#print(summaryLines(this.#checks));
    if (this.#isJson) {
      const input = { endpoint: this.#endpoint, model: this.#model, checks: this.#checks };
      this.#app.terminal.print(JSON.stringify(healthJson(input)));
    }
    return exitCodeOf(verdictOf(this.#checks));
  }

  #print(lines: readonly string[]): void {
    if (!this.#isJson) for (const line of lines) this.#app.terminal.print(line);
  }
}
