// The generated files of the chart in deploy/chart. Helpers and notes are written by hand; everything else comes from here.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { page } from '../docs/page.ts';
import { baseConfiguration, gatewayParts } from './gateway.ts';
import { managerParts } from './manager.ts';
import { definitionParts, operatorParts } from './operator.ts';
import { templateFile } from './template.ts';
import { testParts } from './test-pod.ts';
import { valuesSchema, valuesTables, valuesYaml } from './values-files.ts';

const chartFolder = 'deploy/chart';
const packageFile = path.resolve(import.meta.dirname, '../../package.json');
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };

function chartYaml(): string {
  const chart = {
    apiVersion: 'v2',
    name: 'bigo',
    description: 'One address in front of a fleet of Ollama servers: operator, gateway, Model Manager',
    type: 'application',
    version,
    appVersion: version,
    kubeVersion: '>=1.30.0-0',
    keywords: ['ollama', 'llm', 'gateway', 'operator'],
  };
  return `# Written by \`npm run docs\` from scripts/chart/. Change that, not this file.\n${stringify(chart)}`;
}

const readme = (): string =>
  page(
    'Helm chart of BigO',
    'Installs the operator and the definition of `OllamaDeployment`; on request a gateway in front of Ollama that runs already, and the Model Manager.',
    '',
    '```sh',
    'helm install bigo deploy/chart -n llm-operator-system --create-namespace',
    'helm test bigo -n llm-operator-system',
    '```',
    '',
    'How to upgrade, go back, uninstall, and change between Helm and `bigo install`: `docs/helm.md` of the repository.',
    '',
    '## Values',
    '',
    'A value that is not in the list is refused, and named.',
    ...valuesTables(),
  );

const file = (name: string, text: () => string) => ({ path: `${chartFolder}/${name}`, text });

export const chartFiles: readonly { readonly path: string; text(): string }[] = [
  file('Chart.yaml', chartYaml),
  file('values.yaml', valuesYaml),
  file('values.schema.json', valuesSchema),
  file('README.md', readme),
  file('templates/definition.yaml', () => templateFile(definitionParts())),
  file('templates/operator.yaml', () => templateFile(operatorParts())),
  file('templates/_gateway.tpl', baseConfiguration),
  file('templates/gateway.yaml', () => templateFile(gatewayParts())),
  file('templates/manager.yaml', () => templateFile(managerParts())),
  file('templates/test.yaml', () => templateFile(testParts())),
];
