// The reference pages that are written from the code: errors, metrics, configuration keys, commands, routes.
// Never holds a fact of its own: every line of these pages comes from src/.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { AGENT_METRICS } from '../../src/api/agent-metrics.ts';
import { CONFIG_KEYS, type ConfigKey } from '../../src/api/config-keys.ts';
import { ERRORS, type ErrorKind } from '../../src/api/errors.ts';
import { GATEWAY_METRICS, type MetricSpec } from '../../src/api/metrics.ts';
import { OPERATOR_METRICS } from '../../src/api/operator-metrics.ts';
import { commandHelps } from './command-help.ts';
import { code, page, table } from './page.ts';
import { withRoutes } from './routes-table.ts';

export function errorsPage(): string {
  const rows = Object.entries<ErrorKind>(ERRORS).map(([name, kind]) => {
    return [code(name), String(kind.status), kind.fault, kind.retryable ? 'yes' : 'no', kind.next];
  });
  return page(
    'Errors',
    'Every error that BigO answers with. The code stands in the log line of the request and in the metric `bigo_request_errors_total`.',
    '“Fault” says whose doing it is; “again” says whether the same request may succeed later.',
    '',
    ...table(['code', 'status', 'fault', 'again', 'what to do next'], rows),
  );
}

function metricsTable(specs: Readonly<Record<string, MetricSpec>>): string[] {
  const rows = Object.entries(specs).map(([name, spec]) => {
    return [code(name), spec.type, spec.labels.map(code).join(' '), spec.help];
  });
  return table(['name', 'type', 'labels', 'meaning'], rows);
}

export function metricsPage(): string {
  return page(
    'Metrics',
    'What a gateway exports at `/metrics` on its admin port, in the text format of Prometheus.',
    'Labels are bounded: `model` is a known model, `other`, or `none` where a request is about no model; `backend` is a configured name; the rest come from fixed lists.',
    '',
    ...metricsTable(GATEWAY_METRICS),
    '',
    '## The agent',
    '',
    'What `bigo agent` exports at `/metrics` on its port, one for each Ollama pod.',
    '',
    ...metricsTable(AGENT_METRICS),
    '',
    '## The operator',
    '',
    'What `bigo operator` exports at `/metrics` beside its health checks. Those that every operator has carry controller-runtime’s names.',
    '',
    ...metricsTable(OPERATOR_METRICS),
  );
}

function fallbackText(key: ConfigKey): string {
  if (key.fallback === undefined) return '';
  return code(typeof key.fallback === 'string' ? key.fallback : JSON.stringify(key.fallback));
}

export function configurationPage(): string {
  const rows = CONFIG_KEYS.map(key => [code(key.path), key.kind, fallbackText(key), key.help]);
  return page(
    'Configuration',
    'Read in this order, the later one wins: `~/.config/bigo/config.yaml`, `.bigo/config.yaml`, variables `BIGO_…`, flags.',
    'An unknown key is an error with a suggestion. `bigo config check` reads the files and says what is wrong; `bigo init` writes one to begin with.',
    '',
    ...table(['key', 'kind', 'default', 'meaning'], rows),
  );
}

export async function commandsPage(): Promise<string> {
  const helps = await commandHelps();
  return page(
    'Commands',
    'What `bigo COMMAND --help` prints.',
    ...helps.flatMap(help => ['', `## bigo ${help.name}`, '', '```text', help.text.trimEnd(), '```']),
  );
}

/** Its prose is read from where it stands. */
export async function apiPage(): Promise<string> {
  return withRoutes(await readFile(path.resolve(import.meta.dirname, '../../docs/api.md'), 'utf8'));
}
