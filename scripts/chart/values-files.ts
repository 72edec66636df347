// values.yaml, values.schema.json and the table of the README, from the one list of values. Never a value of its own.
import { stringify } from 'yaml';
import { code, table } from '../docs/page.ts';
import { CHART_VALUES, type Schema, VALUE_GROUPS, type ChartValue } from './values.ts';

const notice = '# Written by `npm run docs` from scripts/chart/values.ts. Change that, not this file.\n';

export function valuesYaml(): string {
  const groups = VALUE_GROUPS.map(({ title, values }) => `\n# ${title}\n${groupText(values)}`);
  return notice + groups.join('');
}

function groupText(values: readonly ChartValue[]): string {
  const lines: string[] = [];
  let open: readonly string[] = [];
  for (const { path, fallback, help } of values) {
    const words = path.split('.');
    const parents = words.slice(0, -1);
    const known = parents.findIndex((word, index) => open[index] !== word);
    const from = known === -1 ? parents.length : known;
    for (const [index, word] of parents.entries()) {
      if (index >= from) lines.push(`${indent(index)}${word}:`);
    }
    open = parents;
    const at = indent(parents.length);
    lines.push(`${at}# ${help}`);
    const yaml = stringify({ [words.at(-1) ?? '']: fallback }, { lineWidth: 0, flowCollectionPadding: true });
    lines.push(
      ...yaml
        .trimEnd()
        .split('\n')
        .map(line => at + line),
    );
  }
  return `${lines.join('\n')}\n`;
}

const indent = (depth: number): string => '  '.repeat(depth);

interface Node {
  type: 'object';
  additionalProperties: false;
  properties: Record<string, unknown>;
}

const emptyNode = (): Node => ({ type: 'object', additionalProperties: false, properties: {} });

export function valuesSchema(): string {
  const root = emptyNode();
  for (const { path, schema, help } of CHART_VALUES) {
    const words = path.split('.');
    const leaf = words.pop() ?? '';
    let node = root;
    for (const word of words) node = (node.properties[word] ??= emptyNode()) as Node;
    node.properties[leaf] = { description: help, ...schema };
  }
  // A chart that has this one inside hands it down.
  root.properties['global'] = { type: 'object' };
  const schema: Schema = { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Values', ...root };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

export function valuesTables(): string[] {
  return VALUE_GROUPS.flatMap(({ title, values }) => {
    const rows = values.map(({ path, fallback, help }) => [code(path), code(JSON.stringify(fallback)), help]);
    return ['', `### ${title}`, '', ...table(['value', 'default', 'meaning'], rows)];
  });
}
