// `--set a.b[0].c=v` -> fields. Never guesses: a text that cannot be read is named.
import { merged } from '../../profiles/core/merged.ts';

export type SetResult = { readonly fields: Readonly<Record<string, unknown>> } | { readonly problem: string };

const depthMax = 16;

/** `read` turns the text after `=` into a value. */
export function setValues(texts: readonly string[], read: (text: string) => unknown): SetResult {
  let fields: Readonly<Record<string, unknown>> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at <= 0) return { problem: `--set needs FIELD=VALUE, not "${text}"` };
    const path = pathOf(text.slice(0, at));
    if (path === undefined)
      return { problem: `--set: "${text.slice(0, at)}" is no field, write for example ollama.replicas` };
    fields = merged(fields, nest(path, read(text.slice(at + 1))));
  }
  return { fields };
}

/** A dot inside a name is written \\. as in Helm: `nodeSelector.nvidia\.com/gpu=x`. */
function pathOf(text: string): string[] | undefined {
  const names = text.split(/(?<!\\)\./).map(name => name.replaceAll('\\.', '.'));
  const isFine = names.length <= depthMax && names.every(name => /^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(name));
  return isFine && !names.includes('__proto__') ? names : undefined;
}

function nest(path: readonly string[], value: unknown): Readonly<Record<string, unknown>> {
  const [last = '', ...rest] = path.toReversed();
  let fields: Readonly<Record<string, unknown>> = { [last]: value };
  for (const name of rest) fields = { [name]: fields };
  return fields;
}

/** The first field that is in `given` and not in what the schema made of it. */
export function unknownField(given: unknown, parsed: unknown, at = ''): string | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  if (typeof parsed !== 'object' || parsed === null) return at;
  for (const [name, value] of Object.entries(given)) {
    const path = at === '' ? name : `${at}.${name}`;
    const found = Object.hasOwn(parsed, name)
      ? unknownField(value, (parsed as Readonly<Record<string, unknown>>)[name], path)
      : path;
    if (found !== undefined) return found;
  }
  return undefined;
}
