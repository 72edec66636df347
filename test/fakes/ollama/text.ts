// What the fake says: tokens that follow from model, prompt and seed, in the form that was asked for.
// Never knows about HTTP or time.
import { hashOf, lognormal, rngOf } from './random.ts';

export interface Ask {
  /** Model and seed: equal asks get equal answers. */
  readonly key: string;
  readonly prompt: string;
  /** At most so many tokens; below 1 = no limit. */
  readonly tokensMax: number;
  readonly stops: readonly string[];
  /** 'json', a JSON schema, or nothing. */
  readonly format: unknown;
  readonly thinks: boolean;
  readonly tools: readonly unknown[];
  readonly tokensMedian: number;
  readonly tokensSigma: number;
}

export interface ToolCall {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

export interface Said {
  readonly thinking: readonly string[];
  readonly content: readonly string[];
  readonly toolCall: ToolCall | undefined;
  readonly doneReason: 'stop' | 'length';
}

const WORDS = [
  'the',
  ' fleet',
  ' answers',
  ' soon',
  ',',
  ' a',
  ' runner',
  ' is',
  ' warm',
  '.',
  ' Grüße',
  ' aus',
  ' 日本',
  ' 🙂',
  ' "so"',
  ' <b>',
  ' &',
  '\n',
  ' token',
  ' after',
  ' token',
  ' é',
  ' ∑',
  ' {',
  '}',
  ' one',
  ' two',
  ' three',
  ' loads',
  ' wait',
];
const tokensNaturalMax = 4000;
/** Who asks for a long story gets one: for clients that leave in the middle. */
const storyFactor = 50;

export function say(ask: Ask): Said {
  const rng = rngOf(hashOf(`${ask.key}|${ask.prompt}`));
  const thinking = ask.thinks ? ['Let', ' me', ' think', '.'] : [];
  const toolCall = ask.tools.length > 0 ? callOf(ask.tools[0], rng) : undefined;
  const natural = toolCall === undefined ? wordsOf(ask, rng) : [];
  const stopped = stopAt(natural, ask.stops);
  return limit({ thinking, content: stopped, toolCall, doneReason: 'stop' }, ask.tokensMax);
}

function limit(said: Said, tokensMax: number): Said {
  const count = said.thinking.length + said.content.length;
  if (tokensMax < 1 || count <= tokensMax) return said;
  const thinking = said.thinking.slice(0, tokensMax);
  return {
    ...said,
    thinking,
    content: said.content.slice(0, tokensMax - thinking.length),
    doneReason: 'length',
  };
}

function wordsOf(ask: Ask, rng: () => number): string[] {
  if (ask.format !== undefined)
    return piecesOf(
      JSON.stringify(ask.format === 'json' ? { answer: 'so', count: 3 } : instanceOf(ask.format, rng)),
    );
  if (/capital of France/i.test(ask.prompt))
    return ['The', ' capital', ' of', ' France', ' is', ' Paris', '.'];
  const longer = /long story/i.test(ask.prompt) ? storyFactor : 1;
  const count = Math.round(longer * lognormal(rng, ask.tokensMedian, ask.tokensSigma));
  const length = Math.min(tokensNaturalMax, Math.max(1, count));
  return Array.from({ length }, () => WORDS[Math.floor(rng() * WORDS.length)] ?? '');
}

function piecesOf(text: string): string[] {
  return text.match(/[\s\S]{1,4}/gu) ?? [];
}

/** Cuts before the first stop text, wherever token borders are. */
function stopAt(tokens: readonly string[], stops: readonly string[]): string[] {
  const text = tokens.join('');
  const cuts = stops
    .filter(stop => stop !== '')
    .map(stop => text.indexOf(stop))
    .filter(at => at >= 0);
  let left = Math.min(text.length, ...cuts);
  const kept: string[] = [];
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.slice(0, left));
    left -= token.length;
  }
  return kept;
}

function callOf(tool: unknown, rng: () => number): ToolCall | undefined {
  const definition = (tool as { function?: { name?: string; parameters?: unknown } }).function;
  if (definition?.name === undefined) return undefined;
  const args = instanceOf(definition.parameters ?? {}, rng);
  return {
    name: definition.name,
    arguments: typeof args === 'object' ? (args as Record<string, unknown>) : {},
  };
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly enum?: readonly unknown[];
  readonly minItems?: number;
}

/** A value that the schema allows (the part of JSON Schema that tests use). */
function instanceOf(schemaValue: unknown, rng: () => number): unknown {
  const schema = schemaValue as Schema;
  if (schema.enum !== undefined) return schema.enum[Math.floor(rng() * schema.enum.length)];
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  switch (type) {
    case 'string':
      return 'text';
    case 'integer':
      return Math.floor(rng() * 100);
    case 'number':
      return Math.round(rng() * 1000) / 10;
    case 'boolean':
      return rng() < 0.5;
    case 'array':
      return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () =>
        instanceOf(schema.items ?? { type: 'string' }, rng),
      );
    case 'null':
      return null;
    default:
      return Object.fromEntries(
        Object.entries(schema.properties ?? {}).map(([key, value]) => [key, instanceOf(value, rng)]),
      );
  }
}

/** Length 1, the same for the same text. */
export function embeddingOf(text: string, length: number): number[] {
  const rng = rngOf(hashOf(text));
  return normalised(Array.from({ length }, () => rng() * 2 - 1));
}

export function normalised(vector: readonly number[]): number[] {
  const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
  return vector.map(value => Math.fround(value / norm));
}

export function tokenCountOf(text: string): number {
  return Math.max(1, Math.ceil(text.length / 4));
}
