// Fields of one object over those of another, all the way down; lists are replaced. Never changes what it is given.

type Fields = Readonly<Record<string, unknown>>;

export function merged(under: Fields, over: Fields): Fields {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isFields(value) && isFields(below) ? merged(below, value) : value;
  }
  return result;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
