// `bigo run`: one prompt, one streamed answer. Never keeps a conversation: that is `bigo chat`.
import { type Command, Option } from 'commander';
import type { App } from './app.ts';
import { type AnswerEnd, streamChat } from './chat-stream.ts';
import {
  addClientOptions,
  addJsonOption,
  type ClientFlags,
  withAdminClient,
  withClient,
} from './client-flags.ts';
import type { Client } from './client.ts';
import { explainRoute } from './core/explain-route.ts';
import { readModels } from './core/model-list.ts';
import { planRun } from './core/run-words.ts';
import { usageError } from './exit.ts';
import { readFleetView } from './core/fleet-view.ts';
import { FLEET_PATH } from './status.ts';
import { readPiped } from './stdin.ts';
import { humanDuration } from '../api/quantities.ts';

interface RunFlags extends ClientFlags {
  readonly model?: string;
  readonly tier?: string;
  readonly dryRun?: boolean;
  readonly system?: string;
  readonly verbose?: boolean;
  readonly priority?: string;
}

export function define(command: Command, app: App): void {
  command.argument('[words...]', '[MODEL] "<prompt>"; what is piped in is added to the prompt');
  addJsonOption(addClientOptions(command))
    .option('--admin <url>', 'admin address, for --dry-run (default: BIGO_ADMIN, then the running gateway)')
    .option('-m, --model <name>', 'the model; then every word is prompt')
    .addOption(
      new Option('-t, --tier <tier>', 'the model behind an alias of the configuration').choices([
        'fast',
        'default',
        'reasoning',
      ]),
    )
    .option('-n, --dry-run', 'say which backend would get it and why, without running it')
    .option('--system <text>', 'system message')
    .option('--verbose', 'say afterwards which backend answered, why, and how fast')
    .addOption(
      new Option('--priority <level>', 'place in the queue').choices(['high', 'normal', 'low', 'batch']),
    )
    .addHelpText('after', HELP)
    .action((words: string[], flags: RunFlags) =>
      withClient(app, flags, client => runPrompt(app, client, { words, flags })),
    );
}

const HELP = `
Examples:
  $ bigo run "What is the capital of France?"
  $ bigo run llama3.2:1b "Write a haiku"
  $ git diff | bigo run -t reasoning "Review this change"
  $ bigo run -n llama3.2:1b "Where would this go?"

A model that is here is never taken for a prompt.`;

async function runPrompt(
  app: App,
  client: Client,
  { words, flags }: { words: readonly string[]; flags: RunFlags },
): Promise<void> {
  const piped = await readPiped(app.interrupted());
  const known = readModels(await client.json({ path: '/api/tags' }));
  const plan = planRun({ words, piped, model: flags.model, tier: flags.tier, known });
  if ('problem' in plan) throw usageError(plan.problem, plan.next);
  if (flags.dryRun === true)
    return withAdminClient(app, flags, admin => dryRun(app, admin, { flags, model: plan.model }));
  const messages = [
    ...(flags.system === undefined ? [] : [{ role: 'system' as const, content: flags.system }]),
    { role: 'user' as const, content: plan.prompt },
  ];
  const end = await streamChat(app, client, {
    model: plan.model,
    messages,
    isSilent: flags.json === true,
    ...(flags.priority === undefined ? {} : { headers: { 'x-bigo-priority': flags.priority } }),
  });
  if (flags.json === true) return app.terminal.print(JSON.stringify(summary(end)));
  if (!end.text.endsWith('\n')) app.terminal.print('');
  if (flags.verbose === true) app.terminal.tell(app.terminal.paintErr('dim', verboseLine(end)));
}

async function dryRun(
  app: App,
  admin: Client,
  { flags, model }: { flags: RunFlags; model: string },
): Promise<void> {
  const route = explainRoute(readFleetView(await admin.json({ path: FLEET_PATH })), model);
  if (flags.json === true) return app.terminal.print(JSON.stringify(route));
  app.terminal.print(route.sentence);
  for (const line of route.lines) app.terminal.print(`  ${line}`);
}

function summary(end: AnswerEnd) {
  return {
    model: end.model,
    text: end.text,
    doneReason: end.doneReason,
    promptTokens: end.promptTokens,
    tokens: end.tokens,
    durationMs: end.durationMs,
    backend: end.backend,
    reason: end.reason,
  };
}

function verboseLine(end: AnswerEnd): string {
  const rate = end.evalMs > 0 ? ` (${((end.tokens * 1000) / end.evalMs).toFixed(1)} tokens/s)` : '';
  const where =
    end.backend === undefined ? '' : ` · backend ${end.backend}, ${end.reason ?? 'no reason told'}`;
  return `${end.model} · ${end.tokens} tokens${rate} in ${humanDuration(end.durationMs)}${where}`;
}
