// What is written from the schema of the resource: the files of deploy/crds/ and the reference page of its fields.
// Never holds a fact of its own: every line comes from src/api/ollama-deployment/ and src/api/condition-reasons.ts.
import { stringify } from 'yaml';
import { CONDITION_REASONS, CONDITION_TYPES } from '../../src/api/condition-reasons.ts';
import { admissionBinding, admissionPolicy } from '../../src/api/ollama-deployment/admission.ts';
import { customResourceDefinition } from '../../src/api/ollama-deployment/crd.ts';
import { DEVIATIONS } from '../../src/api/ollama-deployment/deviations.ts';
import { code, page, table } from './page.ts';

const notice =
  '# Written by `npm run docs` from src/api/ollama-deployment/. Change the schema, not this file.\n';
const yaml = (...documents: readonly unknown[]): string =>
  notice +
  documents
    .map(document => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }))
    .join('---\n');

export const crdFile = (): string => yaml(customResourceDefinition());
export const admissionFile = (): string => yaml(admissionPolicy(), admissionBinding());

interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly additionalProperties?: Node;
}

function* rows(path: string, node: Node): Generator<string[]> {
  yield [
    code(path),
    kindOf(node),
    node.default === undefined ? '' : code(JSON.stringify(node.default)),
    textOf(node),
  ];
  for (const [name, child] of Object.entries(node.properties ?? {})) yield* rows(`${path}.${name}`, child);
  if (node.items?.properties !== undefined) {
    for (const [name, child] of Object.entries(node.items.properties))
      yield* rows(`${path}[].${name}`, child);
  }
}

function kindOf(node: Node): string {
  if (node.type === 'array') return `list of ${node.items?.type ?? 'values'}`;
  if (node.additionalProperties !== undefined) return 'map';
  return node.type ?? 'any';
}

function textOf({ description = '', enum: choices, minimum, maximum }: Node): string {
  const among =
    choices === undefined
      ? ''
      : ` One of ${choices
          .filter(one => one !== '')
          .map(one => code(String(one)))
          .join(', ')}.`;
  const range = minimum === undefined || maximum === undefined ? '' : ` ${minimum} to ${maximum}.`;
  return `${description}${among}${range}`.replaceAll('<', '\\<');
}

interface Definition {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Node } }[] };
}

export function resourcePage(): string {
  const { spec } = customResourceDefinition() as unknown as Definition;
  const schema = spec.versions[0]?.schema.openAPIV3Schema.properties ?? {};
  const reasons = Object.entries(CONDITION_REASONS).map(([reason, meaning]) => [code(reason), meaning]);
  const warnings = [...new Set(DEVIATIONS.map(({ message }) => message))].map(message => `- ${message}`);
  return page(
    'OllamaDeployment',
    'Every field of the resource `llm.geeper.io/v1alpha1`, short name `od`. `kubectl explain od.spec` says the same in a terminal.',
    '',
    '## spec',
    '',
    ...table(['field', 'kind', 'default', 'meaning'], [...rows('spec', schema.spec ?? {})].slice(1)),
    '',
    '## status',
    '',
    ...table(['field', 'kind', 'default', 'meaning'], [...rows('status', schema.status ?? {})].slice(1)),
    '',
    '## Conditions',
    '',
    `Types: ${CONDITION_TYPES.map(code).join(', ')}. The same words stand in Events.`,
    '',
    ...table(['reason', 'meaning'], reasons),
    '',
    '## Warnings',
    '',
    'Accepted, and said when the resource is applied:',
    '',
    ...warnings,
  );
}
