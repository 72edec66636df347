// The CustomResourceDefinition as a value, made from the schema: structural, with rules, columns and subresources.
// Never repeats a field by hand, and never drops a word of the schema in silence: what it does not know it refuses.
import * as z from 'zod';
import { type CelRule, withRules } from './fields.ts';
import { GROUP, KIND, PLURAL, specSchema, VERSION } from './resource.ts';
import { statusSchema } from './status.ts';

type Node = { readonly [word: string]: unknown };

/** Words that a structural schema has, in the order in which they are printed. */
const KEPT = [
  'description',
  'type',
  'format',
  'enum',
  'default',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'maxProperties',
  'anyOf',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const;
const DROPPED = new Set(['$schema', 'propertyNames']);

const nameRule: CelRule = {
  rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
  message:
    'metadata.name must begin with a letter, hold only small letters, digits and -, and be at most 40 long: names of pods and Services are made from it',
};

/** JSON Schema as zod writes it -> the subset that the API server takes. */
function structural(node: Node): Node {
  const unknown = Object.keys(node).filter(
    word => !(KEPT as readonly string[]).includes(word) && !DROPPED.has(word),
  );
  if (unknown.length > 0) throw new Error(`a structural schema has no ${unknown.join(', ')}`);
  const words = KEPT.filter(word => node[word] !== undefined).map(word => [word, node[word]] as const);
  const translated = words.flatMap(([word, value]) => translate(word, value, node));
  return Object.fromEntries(translated);
}

const isOpen = (node: Node): boolean => node['x-kubernetes-preserve-unknown-fields'] === true;
const isIntOrString = (node: Node): boolean => node['x-kubernetes-int-or-string'] === true;
const intMax = Number.MAX_SAFE_INTEGER;

function translate(word: (typeof KEPT)[number], value: unknown, node: Node): [string, unknown][] {
  if (word === 'properties') return [[word, mapValues(value as Record<string, Node>, structural)]];
  if (word === 'items') return [[word, structural(value as Node)]];
  if (word === 'additionalProperties') {
    return isOpen(node) || typeof value === 'boolean' ? [] : [[word, structural(value as Node)]];
  }
  if (word === 'anyOf') return isIntOrString(node) ? intOrString(value as readonly Node[]) : refuse(word);
  if ((word === 'maximum' || word === 'minimum') && Math.abs(Number(value)) === intMax) return [];
  if (word === 'x-kubernetes-validations') return [[word, (value as readonly CelRule[]).map(rule)]];
  return [[word, value]];
}

function refuse(word: string): never {
  throw new Error(`a structural schema may hold ${word} only with int-or-string`);
}

/** A pattern holds for the text form only, so it stands beside the choice, as in Kubernetes' own types. */
function intOrString(choices: readonly Node[]): [string, unknown][] {
  const asText = choices.find(choice => choice.type === 'string') ?? {};
  return [
    ['anyOf', [{ type: 'integer' }, { type: 'string' }]],
    ...['pattern', 'maxLength'].flatMap((word): [string, unknown][] =>
      asText[word] === undefined ? [] : [[word, asText[word]]],
    ),
  ];
}

function rule({ rule: expression, message, fieldPath, reason }: CelRule): Node {
  return {
    rule: expression,
    message,
    ...(fieldPath === undefined ? {} : { fieldPath }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function rootSchema(): Node {
  const root = z.object({ spec: specSchema, status: statusSchema.optional() }).meta({
    description: 'A fleet of Ollama servers with its models, behind one address.',
    ...withRules([nameRule]),
  });
  const made = structural(z.toJSONSchema(root, { io: 'input', unrepresentable: 'any' }));
  const standard = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } };
  return { ...made, properties: { ...standard, ...(made.properties as Node) } };
}

const columns = [
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].status',
    description: 'Every replica and every model is ready.',
  },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Pending, Progressing or Ready.' },
  {
    name: 'Replicas',
    type: 'integer',
    jsonPath: '.spec.ollama.replicas',
    description: 'Ollama pods there should be.',
  },
  {
    name: 'Models',
    type: 'string',
    jsonPath: '.status.modelsReady',
    description: 'Models ready of models declared.',
  },
  {
    name: 'Reason',
    type: 'string',
    priority: 1,
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    description: 'Why it is ready or not.',
  },
  {
    name: 'Image',
    type: 'string',
    priority: 1,
    jsonPath: '.status.image',
    description: 'Image of Ollama in use.',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

export function customResourceDefinition(): Node {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}`, labels: { 'app.kubernetes.io/part-of': 'bigo' } },
    spec: {
      group: GROUP,
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: ['od'],
        categories: ['bigo'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.ollama.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          schema: { openAPIV3Schema: rootSchema() },
        },
      ],
    },
  };
}
