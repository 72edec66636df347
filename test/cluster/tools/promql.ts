// Queries of Prometheus taken apart: which metrics they ask for, with which labels. Never runs one.
import { parser } from '@prometheus-io/lezer-promql';

interface Asked {
  readonly metric: string;
  /** By which it is chosen. */
  readonly labels: readonly string[];
}

interface ParsedQuery {
  readonly asked: readonly Asked[];
  /** By which something is grouped. */
  readonly grouped: readonly string[];
}

/** An error names the place where the query is no query. */
export function parseQuery(query: string): ParsedQuery {
  const asked: { metric: string; labels: string[] }[] = [];
  const grouped: string[] = [];
  parser.parse(query).iterate({
    enter: ({ type, name, from, to, node }) => {
      if (type.isError) throw new Error(`no query at character ${from}: ${query}`);
      const text = query.slice(from, to);
      const parent = node.parent?.name;
      if (name === 'Identifier' && parent === 'VectorSelector') asked.push({ metric: text, labels: [] });
      if (name === 'LabelName' && parent === 'GroupingLabels') grouped.push(text);
      else if (name === 'LabelName') asked.at(-1)?.labels.push(text);
    },
  });
  return { asked, grouped };
}

/** Names of what a program exports in the text format of Prometheus, each with the labels of its samples. */
export function exportedMetrics(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const [, name, kind] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined) {
      const names = kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
      for (const one of names) if (!found.has(one)) found.set(one, new Set());
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line);
    if (sample === null) continue;
    const labels = found.get(sample[1] ?? '') ?? new Set();
    for (const [, label = ''] of (sample[2] ?? '').matchAll(/(\w+)="/g)) labels.add(label);
    found.set(sample[1] ?? '', labels);
  }
  return found;
}
