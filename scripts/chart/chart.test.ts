// How objects become templates, and values become files. Never runs Helm: test/cluster/chart-render.test.ts does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { block, expr, itemsIf, keysIf, NAMESPACE, RELEASE, templateText } from './template.ts';
import { valuesSchema, valuesTables, valuesYaml } from './values-files.ts';
import { CHART_VALUES } from './values.ts';

const at = (tree: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((node, word) => (node as Record<string, unknown>)[word], tree);

test('names of release and namespace are given by Helm, also within a longer text', () => {
  assert.equal(
    templateText({ host: `${RELEASE}-a.${NAMESPACE}.svc` }),
    'host: {{ $.Release.Name }}-a.{{ $.Release.Namespace }}.svc\n',
  );
});

test('two braces that are an object’s own are not taken for an expression', () => {
  assert.equal(templateText({ legend: 'of {{model}}' }), 'legend: of {{ "{{" }}model}}\n');
});

test('an expression, a block and a condition stand where the object has them', () => {
  const object = {
    count: expr('$.Values.count'),
    map: { inner: block('$.Values.inner') },
    list: ['a', ...itemsIf('$.Values.on', 'b')],
    ...keysIf('$.Values.name', { name: expr('$.Values.name') }),
  };
  const lines = [
    'count: {{ $.Values.count }}',
    'map:',
    '{{- with $.Values.inner }}',
    '  inner:',
    '{{- toYaml . | nindent 4 }}',
    '{{- end }}',
    'list:',
    '  - a',
    '{{- if $.Values.on }}',
    '  - b',
    '{{- end }}',
    '{{- if $.Values.name }}',
    'name: {{ $.Values.name }}',
    '{{- end }}',
    '',
  ];
  assert.equal(templateText(object), lines.join('\n'));
});

test('every value stands in values.yaml, in the schema and in the README, and only these do', () => {
  const values: unknown = parse(valuesYaml());
  const schema: unknown = JSON.parse(valuesSchema());
  const tables = valuesTables().join('\n');
  for (const { path, fallback } of CHART_VALUES) {
    assert.deepEqual(at(values, path), fallback, path);
    assert.notEqual(at(schema, `properties.${path.replaceAll('.', '.properties.')}`), undefined, path);
    assert.ok(tables.includes(`| \`${path}\` |`), path);
  }
  assert.equal(new Set(CHART_VALUES.map(({ path }) => path)).size, CHART_VALUES.length);
});
