// The list of configuration keys, read from the schema itself: what variables, suggestions and documents are made from.
// Never repeats a key by hand.
import type * as z from 'zod';
import { configSchema } from './config.ts';
import type { KeyMeta } from './config-values.ts';

export interface ConfigKey extends KeyMeta {
  /** Dotted; `[]` after a list of objects, e.g. `workers.ollama.routing[].pods`. */
  readonly path: string;
  /** As it would be written in the file; undefined = none. */
  readonly fallback: unknown;
}

/** Every key in the order of the schema, sub-keys of lists included. */
export const CONFIG_KEYS: readonly ConfigKey[] = [...listKeys('', configSchema)];

function* listKeys(prefix: string, schema: z.ZodType): Generator<ConfigKey> {
  for (const [name, child] of Object.entries(shapeOf(schema) ?? {})) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const meta = child.meta() as KeyMeta | undefined;
    if (meta?.kind !== undefined)
      yield { path, kind: meta.kind, help: meta.help, fallback: fallbackOf(child) };
    if (meta?.kind === undefined) yield* listKeys(path, child);
    if (meta?.kind === 'items') yield* listKeys(`${path}[]`, itemOf(child));
  }
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly defaultValue?: unknown;
}
function definition(schema: z.ZodType): Definition {
  return schema.def;
}

function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const def = definition(schema);
  return def.innerType === undefined ? def.shape : shapeOf(def.innerType);
}

function itemOf(schema: z.ZodType): z.ZodType {
  const def = definition(schema);
  if (def.innerType !== undefined) return itemOf(def.innerType);
  const element = def.element ?? schema;
  return definition(element).options?.at(-1) ?? element;
}

function fallbackOf(schema: z.ZodType): unknown {
  const def = definition(schema);
  return def.type === 'prefault' ? def.defaultValue : undefined;
}
