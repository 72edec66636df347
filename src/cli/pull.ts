// `bigo pull`: brings models to the fleet, with a bar for a person and plain lines for a log. Never downloads itself.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';
import type { Client } from './client.ts';
import { barLine, newProgress, plainLine, type Progress, takeLine } from './core/pull-progress.ts';
import { CliError } from './exit.ts';
import { modelFileOf, sendFile } from './pull-file.ts';

interface PullFlags extends ClientFlags {
  readonly insecure?: boolean;
}

export function define(command: Command, app: App): void {
  command.argument('<model...>', 'one or more models, or file:///PATH/MODEL.gguf');
  addJsonOption(addClientOptions(command))
    .option('--insecure', 'allow a registry without TLS')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bigo pull llama3.2:1b\n  $ bigo pull file:///models/mine.gguf\n\n--json prints the lines of /api/pull as they come.',
    )
    .action((models: string[], flags: PullFlags) =>
      withClient(app, flags, async client => {
        for (const model of models) await pull(app, client, { model, flags });
      }),
    );
}

async function pull(
  app: App,
  client: Client,
  { model, flags }: { model: string; flags: PullFlags },
): Promise<void> {
  const file = await modelFileOf(model);
  const body = { model, stream: true, ...(flags.insecure === true ? { insecure: true } : {}) };
  const lines = file === undefined ? client.objects({ path: '/api/pull', body }) : sendFile(client, file);
  const show = flags.json === true ? jsonView(app) : app.terminal.isErrTty ? barView(app) : lineView(app);
  let progress = newProgress();
  try {
    for await (const line of lines) {
      progress = takeLine(progress, line, performance.now());
      show.update(progress, line);
    }
  } finally {
    show.end();
  }
  if (!progress.isDone)
    throw new CliError(`the pull of ${model} broke off before its end`, {
      next: 'Pull again: what is here is kept.',
    });
  if (flags.json !== true) app.terminal.print(`${file?.name ?? model} is ready`);
}

interface View {
  update(progress: Progress, line: object): void;
  end(): void;
}

function jsonView(app: App): View {
  return { update: (_progress, line) => app.terminal.print(JSON.stringify(line)), end: () => {} };
}

const redrawMs = 100;

function barView(app: App): View {
  let drawnAtMs = -redrawMs;
  let shownStatus = '';
  return {
    update(progress) {
      const nowMs = performance.now();
      if (nowMs - drawnAtMs < redrawMs && progress.status === shownStatus) return;
      drawnAtMs = nowMs;
      shownStatus = progress.status;
      app.terminal.draw(`\r\u001b[K${barLine(progress, Math.min(app.terminal.columns, 100) - 1)}`);
    },
    end: () => app.terminal.draw('\r\u001b[K'),
  };
}

function lineView(app: App): View {
  let shown = '';
  return {
    update(progress) {
      const line = plainLine(progress);
      if (line === shown) return;
      shown = line;
      app.terminal.tell(line);
    },
    end: () => {},
  };
}
