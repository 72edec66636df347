// The page of every command that the documents which BigO grew from print: what became of it, and whether a test runs it.
// Never holds a command: they are data of the tests.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { code, page, table } from './page.ts';

interface SeedCommand {
  readonly id: string;
  readonly command: string;
  readonly state: string;
  readonly as?: string;
  readonly why?: string;
  readonly reason?: string;
  readonly by?: string;
}

const ON_PODS = 'test/cluster/pods/seed-commands.test.ts';

const SOURCES = [
  ['C0', '`k8s/bigo/`', 'BigO on Kubernetes'],
  ['C1', '`k8s/production/`', 'Ollama on Kubernetes: architecture and components'],
  ['C2', '`k8s/model-hosting/`', 'Model Manager: Kubernetes manifests'],
  ['C3', '`k8s/homelab/`', 'Ollama in a home lab'],
  ['C4', '`bigo install`', 'OllamaDeployment reference'],
] as const;

export function seedCommandsPage(): string {
  const file = path.resolve(import.meta.dirname, '../../test/seeds/commands.json');
  const commands = JSON.parse(readFileSync(file, 'utf8')) as readonly SeedCommand[];
  return page(
    'Commands of the documents BigO grew from',
    'Every command that those five documents print, in their order. Run from the folder of the profile, after `00-prerequisites.yaml` or the whole folder was applied.',
    '',
    `${counts(commands)}. “run”: a test runs it as it is printed against a real API server and checks its effect. “adapted”: the test runs the form in the third column.`,
    `${onPods(commands)} of them need a container: they run on a node, in pods of the profile's own images, with models from a registry of the test. For the others pods are objects, and a log that one of them reads is given by the test.`,
    '“not runnable”: not on a test machine, for the reason given.',
    ...SOURCES.flatMap(([id, folder, title]) => [
      '',
      `## ${title}: ${folder}`,
      '',
      ...table(
        ['id', 'printed', 'now', 'state', 'why'],
        rowsOf(commands.filter(command => command.id.startsWith(id))),
      ),
    ]),
  );
}

function rowsOf(commands: readonly SeedCommand[]): string[][] {
  return commands.map(({ id, command, state, as, why = '', reason }) => {
    return [
      id,
      oneLine(command),
      as === undefined ? 'the same' : oneLine(as),
      reason === undefined ? state : `${state}: ${reason}`,
      why,
    ];
  });
}

const oneLine = (command: string): string => code(command.replaceAll(/\s*\n\s*/g, ' '));

function counts(commands: readonly SeedCommand[]): string {
  const states = ['run', 'adapted', 'not runnable'];
  const texts = states.map(state => `${commands.filter(command => command.state === state).length} ${state}`);
  return `${commands.length} commands: ${texts.join(', ')}`;
}

const onPods = (commands: readonly SeedCommand[]): number =>
  commands.filter(({ by }) => by === ON_PODS).length;
