// `bigo gpu time-slicing`: prints what lets several pods share one NVIDIA GPU. Never speaks to a cluster.
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import type { App } from './app.ts';
import {
  resourceProblem,
  type TimeSlicing,
  timeSlicingConfig,
  timeSlicingSteps,
} from './core/time-slicing.ts';
import { usageError } from './exit.ts';

interface TimeSlicingFlags {
  readonly replicas: string;
  readonly resource: string;
  readonly name: string;
  readonly namespace?: string;
  readonly key: string;
  readonly rename?: boolean;
  readonly byLabel?: boolean;
  readonly plugin: TimeSlicing['plugin'];
}

export function define(command: Command, app: App): void {
  command.addHelpText('after', HELP).action(() => command.help());
  command
    .command('time-slicing')
    .description('Print the ConfigMap that shares each GPU between pods, with the commands that use it.')
    .requiredOption('--replicas <n>', 'pods that may share one GPU, 2 to 48; 2 or 3 for language models')
    .option('--resource <name>', 'what is shared: nvidia.com/gpu, or a MIG slice', 'nvidia.com/gpu')
    .addOption(
      new Option('--plugin <which>', 'what installed the device plugin')
        .choices(['gpu-operator', 'device-plugin'])
        .default('gpu-operator'),
    )
    .option('--rename', 'pods ask for RESOURCE.shared, so that nobody shares without knowing')
    .option('--by-label', 'only nodes labelled nvidia.com/device-plugin.config=KEY')
    .option('--name <name>', 'name of the ConfigMap', 'time-slicing-config')
    .option('--key <key>', 'name of the configuration in it', 'any')
    .option('-n, --namespace <name>', 'default: gpu-operator, or nvidia-device-plugin')
    .addHelpText('after', '\nExample:\n  $ bigo gpu time-slicing --replicas 3 --rename > time-slicing.yaml')
    .action((flags: TimeSlicingFlags) => print(app, wishOf(flags)));
}

const HELP = `
Examples:
  $ bigo gpu time-slicing --replicas 2 | kubectl apply -f -
  $ bigo gpu time-slicing --replicas 3 --rename --by-label > time-slicing.yaml

docs/guides/gpu-time-slicing.md tells what sharing costs, and when MIG or MPS is better.`;

const replicasMax = 48;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

function wishOf(flags: TimeSlicingFlags): TimeSlicing {
  const replicas = Number(flags.replicas);
  if (!(Number.isInteger(replicas) && replicas >= 2 && replicas <= replicasMax))
    throw usageError(`--replicas must be a whole number from 2 to ${replicasMax}, not "${flags.replicas}"`);
  const problem = resourceProblem(flags.resource);
  if (problem !== undefined) throw usageError(`--resource ${flags.resource}: ${problem}`);
  const usual = flags.plugin === 'gpu-operator' ? 'gpu-operator' : 'nvidia-device-plugin';
  const wish: TimeSlicing = {
    replicas,
    resource: flags.resource,
    name: flags.name,
    namespace: flags.namespace ?? usual,
    key: flags.key,
    isRenamed: flags.rename === true,
    isByLabel: flags.byLabel === true,
    plugin: flags.plugin,
  };
  for (const field of ['name', 'namespace', 'key'] as const) {
    if (!NAME.test(wish[field])) throw usageError(`--${field}: "${wish[field]}" is no name`);
  }
  return wish;
}

async function print(app: App, wish: TimeSlicing): Promise<void> {
  const yaml = (value: object) => stringify(value, { lineWidth: 0 });
  const comments = timeSlicingSteps(wish).map(line => `# ${line}\n`);
  await app.terminal.write(comments.join('') + yaml(timeSlicingConfig(wish, yaml)));
}
