// `bigo migrate`: resources of earlier operators, rewritten as ours, with a comment for each change. Never speaks to a cluster.
import type { Command } from 'commander';
import { resourceSchema } from '../../api/ollama-deployment/resource.ts';
import type { App } from '../app.ts';
import { migrate } from '../core/migrate.ts';
import { unknownField } from '../core/set-values.ts';
import { EXIT, usageError } from '../exit.ts';
import { readDocuments } from './documents.ts';
import { yamlDocuments } from './yaml.ts';

export function define(command: Command, app: App): void {
  command
    .argument('[file]', 'YAML with older resources; - for stdin', '-')
    .addHelpText('after', HELP)
    .action((file: string) => run(app, file));
}

const HELP = `
Examples:
  $ bigo migrate old.yaml > new.yaml
  $ kubectl get lmdeployments -A -o yaml | bigo migrate > new.yaml

Reads OllamaDeployments with flat names, and kinds Deployment and LMDeployment of llm.geeper.io. Comments say what changed.
Exit codes: 0 done, 1 something must be mended by hand (a comment says what), 64 nothing to migrate.`;

async function run(app: App, file: string): Promise<void> {
  const documents = (await readDocuments(app, file, 'Name a file, or pipe YAML in.')).flatMap(itemsOf);
  const found = documents.flatMap(document => migrate(document) ?? []);
  if (found.length === 0)
    throw usageError(
      'there is no resource of llm.geeper.io to migrate',
      'Name a file that holds one, or pipe YAML in.',
    );
  const texts = found.map(({ document, changes }) => {
    const problems = problemsOf(document).map(problem => `mend by hand: ${problem}`);
    if (problems.length > 0) process.exitCode = EXIT.failed;
    const lines = [...(changes.length === 0 ? ['nothing had to change'] : changes), ...problems];
    return `${lines.map(line => `# ${line.replaceAll('\n', ' ')}\n`).join('')}${yamlDocuments([document])}`;
  });
  await app.terminal.write(texts.join('---\n'));
}

/** What `kubectl get -o yaml` prints is one list. */
function itemsOf(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>[] {
  const { items } = document;
  return Array.isArray(items) ? (items as Readonly<Record<string, unknown>>[]) : [document];
}

function problemsOf(document: Readonly<Record<string, unknown>>): string[] {
  const parsed = resourceSchema.safeParse(document);
  if (!parsed.success) return parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
  const unknown = unknownField(document['spec'], parsed.data.spec);
  return unknown === undefined ? [] : [`spec.${unknown} is no field of an OllamaDeployment`];
}
