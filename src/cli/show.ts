// `bigo show`: what a model is. Never loads it.
import type { Command } from 'commander';
import type { App } from './app.ts';
import { addClientOptions, addJsonOption, type ClientFlags, withClient } from './client-flags.ts';
import type { JsonObject } from './client.ts';

const PARTS = ['modelfile', 'parameters', 'template', 'system', 'license'] as const;
type ShowFlags = ClientFlags & { readonly [Part in (typeof PARTS)[number]]?: boolean };

export function define(command: Command, app: App): void {
  command.argument('<model>', 'the model');
  addJsonOption(addClientOptions(command))
    .option('--modelfile', 'only the Modelfile')
    .option('--parameters', 'only its parameters')
    .option('--template', 'only its prompt template')
    .option('--system', 'only its system message')
    .option('--license', 'only its licence')
    .addHelpText('after', '\nExample:\n  $ bigo show llama3.2:1b\n  $ bigo show llama3.2:1b --modelfile')
    .action((model: string, flags: ShowFlags) =>
      withClient(app, flags, async client => {
        const body = await client.json({ path: '/api/show', body: { model } });
        if (flags.json === true) return app.terminal.print(JSON.stringify(body));
        const parts = PARTS.filter(part => flags[part] === true);
        const lines = parts.length > 0 ? parts.map(part => textPart(body[part])) : summaryLines(body);
        for (const line of lines) app.terminal.print(line);
      }),
    );
}

function textPart(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join('\n');
  return typeof value === 'string' ? value : '';
}

function summaryLines(body: JsonObject): string[] {
  const details = (body.details ?? {}) as JsonObject;
  const info = (body.model_info ?? {}) as JsonObject;
  const context = Object.entries(info).find(([key]) => key.endsWith('.context_length'))?.[1];
  const facts: readonly (readonly [string, unknown])[] = [
    ['architecture', info['general.architecture'] ?? details.family],
    ['parameters', details.parameter_size],
    ['quantization', details.quantization_level],
    ['context length', context],
    ['capabilities', Array.isArray(body.capabilities) ? body.capabilities.join(', ') : undefined],
    ['licence', firstLine(body.license)],
  ];
  return [
    ...facts
      .filter(([, value]) => isShown(value))
      .map(([name, value]) => `${name.padEnd(16)}${String(value)}`),
    ...section('Parameters', body.parameters),
    ...section('System', body.system),
  ];
}

const isShown = (value: unknown) => (typeof value === 'string' && value !== '') || typeof value === 'number';

function section(title: string, value: unknown): string[] {
  const text = textPart(value).trim();
  return text === '' ? [] : ['', title, ...text.split('\n').map(line => `  ${line}`)];
}

function firstLine(value: unknown): string {
  return textPart(value).trim().split('\n')[0]?.trim() ?? '';
}
