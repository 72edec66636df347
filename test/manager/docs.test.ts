// The page about the manager tells every route of its table, and no other; it names every rule that it needs in a cluster.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MANAGER_METRICS } from '../../src/manager/core/metrics-text.ts';
import { MANAGER_CLUSTER_RULES, MANAGER_OWN_RULES, MANAGER_RULES } from '../../src/manager/core/rbac.ts';
import { API_ROUTES } from '../../src/manager/core/routes.ts';

const text = readFileSync(new URL('../../docs/manager.md', import.meta.url), 'utf8');

test('the table of routes is that of the code', () => {
  const told = text.split('\n').filter(line => /^\| `(?:GET|POST|DELETE) /.test(line));
  const wanted = API_ROUTES.map(
    ({ method, path, role, about }) => `| \`${method} ${path}\` | ${role} | ${about} |`,
  );
  assert.deepEqual(told, wanted);
});

test('every right that the manager needs is told', () => {
  for (const { resources, verbs } of [...MANAGER_RULES, ...MANAGER_OWN_RULES, ...MANAGER_CLUSTER_RULES]) {
    const row = text
      .split('\n')
      .find(line => line.includes(`\`${resources[0]}`) && line.includes(verbs.join(' ')));
    assert.ok(row, `${resources.join()} ${verbs.join()}`);
  }
});

test('every metric is told', () => {
  for (const name of Object.keys(MANAGER_METRICS)) assert.ok(text.includes(`\`${name}\``), name);
});
