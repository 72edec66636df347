// As much of JSON Schema as the manager's document uses, to compare answers with it. Never passes over a keyword that it does not know.

export interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly [keyword: string]: unknown;
}

const known = new Set(
  'type properties required additionalProperties items anyOf enum const minimum maximum exclusiveMinimum minLength maxLength maxItems pattern description propertyNames'.split(
    ' ',
  ),
);

/** What does not fit, in words; empty when all does. */
export function fits(schema: Schema, value: unknown, at: string): string[] {
  for (const keyword of Object.keys(schema)) {
    if (!known.has(keyword)) return [`${at}: the test does not know the keyword ${keyword}`];
  }
  if (schema.anyOf !== undefined) {
    return schema.anyOf.some(one => fits(one, value, at).length === 0) ? [] : [`${at}: none of anyOf`];
  }
  if (schema.const !== undefined && value !== schema.const)
    return [`${at}: not ${JSON.stringify(schema.const)}`];
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at}: not one of the list`];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.some(type => isOf(type, value))) return [`${at}: not ${types.join()}`];
  return [...boundProblems(schema, value, at), ...innerProblems(schema, value, at)];
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

function boundProblems(schema: Schema, value: unknown, at: string): string[] {
  const length = typeof value === 'string' || Array.isArray(value) ? value.length : 0;
  const number = typeof value === 'number' ? value : undefined;
  const problems: string[] = [];
  const bound = (name: string, isBroken: (limit: number) => boolean): void => {
    const limit = schema[name];
    if (typeof limit === 'number' && isBroken(limit)) problems.push(`${at}: ${name} ${limit}`);
  };
  bound('minLength', limit => typeof value === 'string' && length < limit);
  bound('maxLength', limit => typeof value === 'string' && length > limit);
  bound('maxItems', limit => length > limit);
  bound('minimum', limit => number !== undefined && number < limit);
  bound('maximum', limit => number !== undefined && number > limit);
  bound('exclusiveMinimum', limit => number !== undefined && number <= limit);
  const { pattern } = schema;
  if (typeof pattern === 'string' && typeof value === 'string' && !new RegExp(pattern, 'u').test(value)) {
    problems.push(`${at}: not of the pattern`);
  }
  return problems;
}

function innerProblems(schema: Schema, value: unknown, at: string): string[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((one, index) => fits(items, one, `${at}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const { properties = {}, required = [], additionalProperties } = schema;
  const fields = value as Readonly<Record<string, unknown>>;
  const missing = required.filter(name => fields[name] === undefined).map(name => `${at}.${name}: missing`);
  const inner = Object.entries(fields).flatMap(([name, one]) => {
    const own = properties[name];
    if (own !== undefined) return fits(own, one, `${at}.${name}`);
    if (typeof additionalProperties === 'object') return fits(additionalProperties, one, `${at}.${name}`);
    return additionalProperties === false ? [`${at}.${name}: unknown`] : [];
  });
  return [...missing, ...inner];
}

/** Where values stand, `[]` for any place of a list and `*` for any name beside. */
export function pathsOf(value: unknown, at: string): string[] {
  if (Array.isArray(value)) return value.flatMap(one => pathsOf(one, `${at}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => [
    `${at}.${name}`,
    ...pathsOf(one, `${at}.${name}`),
    ...pathsOf(one, `${at}.*`),
  ]);
}
