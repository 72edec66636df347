// Objects of kinds that others define, against their real definitions: the optional files of the profiles, the chart's monitoring, and
// what the operator makes by itself; and each query in them against what running programs export. Never only a look: the API server
// keeps each object, and refuses a field that its kind lacks.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { glob, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { adapterValues, defaultWish, profileOf } from '../../src/profiles/core/profiles.ts';
import { renderProfile } from '../../src/profiles/core/render.ts';
import { PROFILE_NAMES } from '../../src/profiles/core/types.ts';
import type { RunningOperator } from '../../src/operator/operator.ts';
import { startGatewayProcess } from '../contract/gateway-process.ts';
import { startFakeOllama } from '../fakes/ollama/server.ts';
import { endAll } from '../tools/end-all.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { OperatorRig, od } from './operator/rig.ts';
import { skipWithoutCluster } from './tools/cluster.ts';
import { chart, helm, objectsOf } from './tools/helm.ts';
import type { KubeObject } from './tools/kube-client.ts';
import { exportedMetrics, parseQuery } from './tools/promql.ts';

const run = promisify(execFile);
const commandMsMax = 120_000;
/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;
const establishedMsMax = 60_000;
const root = path.join(import.meta.dirname, '..', '..');
const foreign = await find('foreign-kinds');
const kubectl = (await find('kubectl')) ?? 'kubectl';
const skip = (await skipWithoutCluster()) || (await skipUnless('kubectl', 'helm', 'foreign-kinds'));

const files: string[] = [];
for await (const file of glob('k8s/*/optional/*.yaml', { cwd: root })) files.push(file);

const monitoring = {
  serviceMonitor: { enabled: true, interval: '15s', labels: { release: 'prometheus' } },
  alerts: { enabled: true },
  dashboards: { enabled: true },
};
/** What a scrape adds by the ServiceMonitor. */
const targetLabels = new Set(['namespace', 'job', 'pod', 'service', 'endpoint', 'instance', 'container']);
const spec = {
  ollama: { models: ['a:1'] },
  monitoring,
  autoscaling: {
    enabled: true,
    engine: 'keda',
    minReplicas: 1,
    maxReplicas: 3,
    prometheusAddress: 'http://prometheus.monitoring:9090',
  },
};

describe('kinds that others define', { skip, timeout: allMsMax }, () => {
  let rig: OperatorRig;
  let operator: RunningOperator;
  let folder = '';
  /** What the operator made by itself. */
  const made: KubeObject[] = [];
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-optional-'));
    rig = await OperatorRig.start({ audit: false });
    for (const file of await readdir(foreign ?? '')) {
      const text = await readFile(path.join(foreign ?? '', file), 'utf8');
      for (const definition of await rig.cluster.admin.applyYaml(text)) await established(definition);
    }
    for (const file of files)
      await ensureNamespaces(objectsOf(await readFile(path.join(root, file), 'utf8')));
    operator = await rig.operator();
    await operator.leading;
  });
  after(() =>
    endAll(
      () => operator?.close(),
      () => rig?.stop(),
      () => rm(folder, { recursive: true, force: true }),
    ),
  );

  const established = ({ metadata: { name } }: KubeObject): Promise<KubeObject> => {
    const ref = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', name };
    const isSo = (one: KubeObject | undefined): boolean =>
      ((one?.['status']?.conditions ?? []) as { type: string; status: string }[]).some(
        ({ type, status }) => type === 'Established' && status === 'True',
      );
    return rig.cluster.admin.until(ref, isSo, establishedMsMax);
  };
  const ensureNamespaces = async (objects: readonly KubeObject[]): Promise<void> => {
    for (const { metadata } of objects) {
      const { namespace: name = 'default' } = metadata;
      await rig.cluster.admin.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
  };
  /** A field that the kind lacks is an error, not left out in silence. */
  const apply = async (file: string): Promise<string[]> => {
    const args = ['apply', '--server-side', '--validate=strict', '-f', file];
    const { stdout } = await run(kubectl, args, {
      env: { ...process.env, KUBECONFIG: rig.cluster.adminKubeconfig },
      timeout: commandMsMax,
    });
    return stdout.trim().split('\n');
  };
  const written = async (name: string, object: unknown): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, JSON.stringify(object));
    return file;
  };

  it('there are such files, of each of these kinds', async () => {
    const texts = await Promise.all(files.map(file => readFile(path.join(root, file), 'utf8')));
    const kinds = texts.flatMap(text => parseAllDocuments(text).map(one => (one.toJS() as KubeObject).kind));
    for (const kind of ['ServiceMonitor', 'PrometheusRule', 'IngressRoute', 'Middleware', 'Certificate'])
      assert.ok(kinds.includes(kind), kind);
  });

  for (const file of files) {
    it(`${file} is taken by the API server as it is`, async () => {
      const count = objectsOf(await readFile(path.join(root, file), 'utf8')).length;
      const lines = await apply(path.join(root, file));
      assert.equal(
        lines.filter(line => line.endsWith(' serverside-applied')).length,
        count,
        lines.join('\n'),
      );
    });
  }

  const chartObjects = async (): Promise<KubeObject[]> => {
    const apis = ['ServiceMonitor', 'PrometheusRule'].map(kind => `monitoring.coreos.com/v1/${kind}`);
    const values = await written('values.json', {
      gateway: { enabled: true },
      manager: { enabled: true },
      monitoring,
    });
    const args = ['template', 'bigo', chart, '--namespace', 'default', '--values', values];
    const { code, stdout, stderr } = await helm(folder, [...args, '--api-versions', apis.join(',')]);
    assert.equal(code, 0, stderr);
    return objectsOf(stdout);
  };

  it("the chart's monitoring is taken as Helm renders it", async () => {
    const ours = (await chartObjects()).filter(({ apiVersion }) => apiVersion === 'monitoring.coreos.com/v1');
    assert.ok(ours.length >= 3, `${ours.length}`);
    const kinds = new Set(ours.map(({ kind }) => kind));
    assert.deepEqual(kinds, new Set(['PrometheusRule', 'ServiceMonitor']));
    const list = await written('chart.json', { apiVersion: 'v1', kind: 'List', items: ours });
    assert.equal((await apply(list)).length, ours.length);
  });

  it('the operator makes its own where the kinds are there, and loses no field of them', async t => {
    const namespace = await rig.cluster.namespace(t);
    await rig.cluster.admin.create({ ...od(namespace, 'seen'), metadata: { name: 'seen', namespace }, spec });
    for (const [apiVersion, kind, name] of [
      ['monitoring.coreos.com/v1', 'ServiceMonitor', 'seen-ollama'],
      ['monitoring.coreos.com/v1', 'ServiceMonitor', 'seen-gateway'],
      ['monitoring.coreos.com/v1', 'PrometheusRule', 'seen-ollama'],
      ['v1', 'ConfigMap', 'seen-dashboards'],
      ['keda.sh/v1alpha1', 'ScaledObject', 'seen-ollama'],
    ] as const) {
      const isThere = (one: KubeObject | undefined): boolean => one !== undefined;
      made.push(await rig.cluster.admin.until({ apiVersion, kind, namespace, name }, isThere, 120_000));
    }
    for (const { apiVersion, kind, metadata, spec: live } of made.filter(
      ({ kind }) => kind !== 'ConfigMap',
    )) {
      const name = `again-${metadata.name}`;
      const object = { apiVersion, kind, metadata: { name, namespace }, spec: live };
      assert.equal((await apply(await written(`${kind}-${name}.json`, object))).length, 1);
    }
    const resource = await rig.cluster.admin.get(od(namespace, 'seen'));
    assert.doesNotMatch(JSON.stringify(resource['status'] ?? {}), /OptionalApiMissing/);
    assert.match(JSON.stringify(made.at(-1)?.['spec'].triggers), /bigo_fleet_demand/);
  });

  it('each query is one, and asks only for metrics and labels that the running programs export', async t => {
    const ofFiles = await Promise.all(files.map(file => readFile(path.join(root, file), 'utf8')));
    const objects = [...ofFiles.flatMap(text => objectsOf(text)), ...(await chartObjects()), ...made];
    const queries = [...new Set([...objects.flatMap(queriesIn), ...adapterQueries()])];
    assert.ok(queries.length > 25, `${queries.length} queries`);
    const exported = new Map([...(await gatewayMetrics(t)), ...(await scraped(operator.adminUrl))]);
    for (const query of queries) {
      const { asked, grouped } = parseQuery(query);
      assert.ok(asked.length > 0, query);
      for (const { metric, labels } of asked) {
        // A GPU's own exporter speaks of the GPU.
        if (metric.startsWith('DCGM_')) continue;
        const own = exported.get(metric);
        assert.ok(own !== undefined, `${metric} is not exported, and asked for by ${query}`);
        for (const label of [...labels, ...grouped]) {
          const isKnown = own.has(label) || targetLabels.has(label);
          assert.ok(isKnown, `${metric} has no label ${label}, which is asked for by ${query}`);
        }
      }
    }
  });

  it('what is no query, or asks for what nobody exports, is noticed', () => {
    assert.throws(() => parseQuery('sum(rate(bigo_requests_total{code=~"5.."}[5m])) by (('), /no query at/);
    const { asked, grouped } = parseQuery('sum by (model) (rate(a_total{code=~"5..", job="x"}[5m])) > 1');
    assert.deepEqual(asked, [{ metric: 'a_total', labels: ['code', 'job'] }]);
    assert.deepEqual(grouped, ['model']);
  });

  it('a wrong field or value is refused', async () => {
    const metadata = { name: 'wrong', namespace: 'default' };
    const selector = { matchLabels: { a: 'b' } };
    for (const endpoint of [
      { port: 'admin', intervall: '30s' },
      { port: 'admin', interval: 'often' },
    ]) {
      const wrong = {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'ServiceMonitor',
        metadata,
        spec: { selector, endpoints: [endpoint] },
      };
      await assert.rejects(apply(await written('wrong.json', wrong)), /intervall|interval/);
    }
  });
});

/** Expressions of alerts, queries of autoscalers, and those inside the JSON of dashboards. */
function queriesIn(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('{') ? queriesIn(JSON.parse(value)) : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    (key === 'expr' || key === 'query') && typeof item === 'string' ? [item] : queriesIn(item),
  );
}

/** As prometheus-adapter asks: which series there are, then their sum for the autoscaler's namespace and labels. */
function adapterQueries(): string[] {
  interface Rule {
    readonly seriesQuery: string;
    readonly metricsQuery: string;
    readonly name: { readonly as: string };
  }
  return PROFILE_NAMES.flatMap(name => {
    const profile = profileOf(name);
    if (profile === undefined) return [];
    const files = renderProfile(profile, defaultWish(profile, 'bigo:1'));
    const values = adapterValues(files) as { rules: { external: readonly Rule[] } } | undefined;
    const autoscaler = files
      .flatMap(file => file.objects)
      .find(({ kind }) => kind === 'HorizontalPodAutoscaler');
    const metric = (autoscaler as KubeObject | undefined)?.['spec'].metrics[0].external.metric;
    return (values?.rules.external ?? []).flatMap(rule => {
      assert.equal(rule.name.as, metric.name);
      const { matchLabels } = metric.selector as { matchLabels: Record<string, string> };
      const matchers = Object.entries(matchLabels).map(([label, text]) => `${label}="${text}"`);
      const query = rule.metricsQuery
        .replace('<<.Series>>', metric.name)
        .replace('<<.LabelMatchers>>', matchers.join(','))
        .replace('<<.GroupBy>>', 'namespace');
      assert.doesNotMatch(query, /<</);
      return [rule.seriesQuery, query];
    });
  });
}

async function scraped(admin: string): Promise<Map<string, Set<string>>> {
  const answer = await fetch(`${admin}/metrics`);
  assert.equal(answer.status, 200);
  return exportedMetrics(await answer.text());
}

/** Of a real gateway that has answered a chat and a wrong request, while another answer streams. */
async function gatewayMetrics(t: TestContext): Promise<Map<string, Set<string>>> {
  const fake = await startFakeOllama({ models: [{ name: 'a:1' }], tokenMs: 20, loadMs: 1 });
  t.after(() => fake.stop());
  const gateway = await startGatewayProcess([fake.url]);
  t.after(() => gateway.stop());
  const chat = (model: string): Promise<Response> => {
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] });
    return fetch(`${gateway.url}/api/chat`, { method: 'POST', body });
  };
  for (const model of ['a:1', 'nowhere:1']) await (await chat(model)).text();
  // What runs now has a label only while it runs: the scrape must meet an answer on its way.
  for (let turn = 0; turn < 20; turn++) {
    const streaming = await chat('a:1');
    const metrics = await scraped(gateway.admin);
    await streaming.body?.cancel();
    if (metrics.get('bigo_in_flight')?.has('backend') === true) return metrics;
  }
  return assert.fail('no scrape met an answer on its way');
}
