// How objects become templates, and values become files. Never runs Helm: test/cluster/chart-render.test.ts does.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { block, expr, itemsIf, keysIf, NAMESPACE, RELEASE, templateText } from './template.ts';
import { TEST_SCRIPT } from './test-pod.ts';
import { valuesSchema, valuesTables, valuesYaml } from './values-files.ts';
import { CHART_VALUES } from './values.ts';

const run = promisify(execFile);
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

test('the pod of `helm test` names the part that does not answer; one that asks for a key answers', async t => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/locked' ? 401 : 200;
    response.end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const args = ['--input-type=module', '-e', TEST_SCRIPT, '--'];
  const ask = async (...parts: readonly string[]): Promise<{ code: number; stdout: string }> =>
    run(process.execPath, [...args, ...parts], { timeout: 60_000 }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: unknown) => error as { code: number; stdout: string },
    );
  const address = `http://127.0.0.1:${port}`;
  assert.equal((await ask(`gateway=${address}/`, `api=${address}/locked`)).code, 0);
  const { code, stdout } = await ask(`gateway=${address}/`, 'manager=http://127.0.0.1:1/readyz');
  assert.equal(code, 1);
  assert.match(stdout, /^gateway: ok$/m);
  assert.match(stdout, /^manager: .*\(http:\/\/127\.0\.0\.1:1\/readyz\)$/m);
});
