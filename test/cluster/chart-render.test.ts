// What the chart renders, without a cluster: the objects of `bigo install`, pods that Pod Security `restricted` lets in,
// values that are all used and whose mistakes are named.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { CHART_VALUES } from '../../scripts/chart/values.ts';
import { configSchema } from '../../src/api/config.ts';
import { GATEWAY_METRICS } from '../../src/api/metrics.ts';
import { OPERATOR_METRICS } from '../../src/api/operator-metrics.ts';
import { IMAGE_REPOSITORY } from '../../src/api/operator-settings.ts';
import { KeyRing } from '../../src/gateway/keys.ts';
import { MANAGER_CLUSTER_RULES, MANAGER_OWN_RULES, MANAGER_RULES } from '../../src/manager/core/rbac.ts';
import { installation } from '../../src/profiles/core/installation.ts';
import { skipUnless } from '../tools/parts.ts';
import { chart, helm, type HelmResult, objectsOf } from './tools/helm.ts';
import type { KubeObject } from './tools/kube-client.ts';

const namespace = 'llm-operator-system';
const packageFile = new URL('../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const prometheusApis = ['ServiceMonitor', 'PrometheusRule'].flatMap(kind => [
  '--api-versions',
  `monitoring.coreos.com/v1/${kind}`,
]);

/** All parts on, so that every template is rendered. */
const everything = {
  gateway: { enabled: true, ingress: { enabled: true, host: 'a.example.com', tls: { enabled: true } } },
  manager: { enabled: true, ingress: { enabled: true, host: 'm.example.com', tls: { enabled: true } } },
  monitoring: { serviceMonitor: { enabled: true }, alerts: { enabled: true }, dashboards: { enabled: true } },
};

/** Another value than the default, where its kind alone does not tell one. */
const others: Readonly<Record<string, unknown>> = {
  'image.digest': `sha256:${'a'.repeat(64)}`,
  'image.pullPolicy': 'Always',
  'operator.logLevel': 'debug',
  'gateway.backends': ['http://a:11434'],
  'gateway.auth.mode': 'none',
  'gateway.auth.anonymousRole': 'admin',
  'gateway.service.type': 'NodePort',
  'gateway.config': { gateway: { aliases: { fast: 'a:1' } } },
  'monitoring.serviceMonitor.interval': '1m',
};
/** Values that matter only beside others. */
const beside: Readonly<Record<string, object>> = {
  'manager.nodePort.port': { manager: { nodePort: { enabled: true } } },
  'gateway.auth.anonymousRole': { gateway: { auth: { mode: 'none' } } },
};
const resources = { requests: { cpu: '7m' } };

function otherValue(name: string, fallback: unknown): unknown {
  if (others[name] !== undefined) return others[name];
  if (name.endsWith('.resources')) return resources;
  if (/tolerations|allowFrom/.test(name)) return [{ any: 'thing' }];
  if (Array.isArray(fallback)) return ['other'];
  if (typeof fallback === 'boolean') return !fallback;
  if (typeof fallback === 'number') return fallback + 1;
  if (typeof fallback === 'object') return { other: 'thing' };
  return 'other';
}

/** A release has `helm test`, which the operator's policy lets in. */
function withoutTestPod(object: KubeObject): KubeObject {
  if (object.kind !== 'NetworkPolicy') return object;
  const copy = structuredClone(object);
  const last = copy['spec'].ingress[0].from.pop();
  assert.deepEqual(last, { podSelector: { matchLabels: { 'app.kubernetes.io/name': 'bigo-test' } } });
  return copy;
}

const nested = (name: string, value: unknown): object =>
  name.split('.').reduceRight<unknown>((inner, word) => ({ [word]: inner }), value) as object;

describe('the Helm chart', { skip: await skipUnless('helm') }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bigo-chart-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  let files = 0;
  async function render(values: readonly object[], ...args: readonly string[]): Promise<HelmResult> {
    const flags: string[] = [];
    for (const one of values) {
      const file = path.join(folder, `values-${files++}.json`);
      await writeFile(file, JSON.stringify(one));
      flags.push('--values', file);
    }
    return helm(folder, ['template', 'bigo', chart, '--namespace', namespace, ...flags, ...args]);
  }
  async function objects(values: object, ...args: readonly string[]): Promise<KubeObject[]> {
    const { code, stdout, stderr } = await render([values], ...args);
    assert.equal(code, 0, stderr);
    return objectsOf(stdout);
  }
  const named = (list: readonly KubeObject[], kind: string, name: string): KubeObject => {
    const found = list.find(object => object.kind === kind && object.metadata.name === name);
    assert.ok(found, `no ${kind} ${name}`);
    return found;
  };

  it('is clean to `helm lint`', async () => {
    const { code, stdout, stderr } = await helm(folder, ['lint', '--strict', chart]);
    assert.equal(code, 0, stdout + stderr);
  });

  for (const namespaces of [[], ['team-b', 'team-a']]) {
    it(`has what \`bigo install\` applies, looking after ${namespaces.join(', ') || 'all namespaces'}`, async () => {
      const rendered = await objects({ operator: { namespaces } });
      const wish = { image: `${IMAGE_REPOSITORY}:${version}`, version, namespaces: namespaces.toSorted() };
      for (const theirs of installation(wish) as unknown as KubeObject[]) {
        if (theirs.kind === 'Namespace') continue;
        const same = rendered.find(
          ({ kind, metadata }) =>
            kind === theirs.kind &&
            metadata.name === theirs.metadata.name &&
            metadata.namespace === theirs.metadata.namespace,
        );
        assert.ok(same, `${theirs.kind} ${theirs.metadata.name}`);
        const { metadata, ...fields } = theirs;
        const { metadata: ours, ...sameFields } = withoutTestPod(same);
        assert.deepEqual(sameFields, JSON.parse(JSON.stringify(fields)));
        const labels = { ...metadata.labels, 'app.kubernetes.io/managed-by': 'Helm' };
        assert.deepEqual(ours.labels, labels);
        assert.deepEqual({ ...ours.annotations, ...metadata.annotations }, ours.annotations);
      }
    });
  }

  it('makes only pods that Pod Security restricted lets in', async () => {
    const pods = (await objects(everything)).flatMap(object => {
      if (object.kind === 'Pod') return [object['spec']];
      return object.kind === 'Deployment' ? [object['spec'].template.spec] : [];
    });
    assert.equal(pods.length, 4);
    for (const spec of pods) {
      assert.equal(spec.securityContext.runAsNonRoot, true);
      assert.deepEqual(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' });
      for (const { securityContext, resources: needs } of spec.containers) {
        assert.equal(securityContext.allowPrivilegeEscalation, false);
        assert.equal(securityContext.readOnlyRootFilesystem, true);
        assert.deepEqual(securityContext.capabilities, { drop: ['ALL'] });
        assert.ok(needs.requests.memory !== undefined && needs.limits.memory !== undefined);
      }
    }
  });

  it('uses every value: another one changes what is rendered', async () => {
    const flags = [...prometheusApis, '--set', 'gateway.auth.existingSecret=k,gateway.auth.adminSecret=a'];
    const whole = new Map<string, string>();
    const text = async (values: readonly object[]): Promise<string> => {
      const { code, stdout, stderr } = await render([everything, ...values], ...flags);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    assert.equal(await text([]), await text([]), 'what is random would hide that a value changes nothing');
    for (const { path: name, fallback } of CHART_VALUES) {
      // Both are set above, since what is made is random.
      if (/existingSecret|adminSecret/.test(name)) continue;
      const around = beside[name] === undefined ? [] : [beside[name]];
      const key = JSON.stringify(around);
      if (!whole.has(key)) whole.set(key, await text(around));
      const isOn = name.endsWith('.enabled') && typeof fallback === 'boolean' && !name.includes('nodePort');
      const other = isOn ? false : otherValue(name, fallback);
      assert.notEqual(
        await text([...around, nested(name, other)]),
        whole.get(key),
        `${name} changes nothing`,
      );
    }
  });

  const mistakes: readonly (readonly [what: object, named: RegExp])[] = [
    [{ operator: { replica: 3 } }, /'\/operator'.*'replica' not allowed/],
    [{ operator: { replicas: 'three' } }, /'\/operator\/replicas'.*got string, want integer/],
    [{ gateway: { service: { type: 'External' } } }, /'\/gateway\/service\/type'.*must be one of/],
    [
      { gateway: { config: { gateway: { aliasses: {} } } } },
      /'\/gateway\/config\/gateway'.*'aliasses' not allowed/,
    ],
    [{ manager: { ingress: { tls: true } } }, /'\/manager\/ingress\/tls'.*want object/],
    [{ image: { digest: 'sha256:1' } }, /'\/image\/digest'.*does not match pattern/],
    [{ redis: {} }, /'redis' not allowed/],
    [
      { gateway: { enabled: true, ingress: { enabled: true } } },
      /gateway\.ingress\.host: an Ingress needs a host name/,
    ],
  ];
  it('names the field of a wrong value', async () => {
    for (const [values, message] of mistakes) {
      const { code, stderr } = await render([values]);
      assert.notEqual(code, 0, JSON.stringify(values));
      assert.match(stderr, message);
    }
  });

  it('leaves out what the cluster does not know, and says so', async () => {
    const kinds = (list: readonly KubeObject[]) => list.map(({ kind }) => kind);
    const without = kinds(await objects(everything));
    assert.ok(!without.includes('ServiceMonitor') && !without.includes('PrometheusRule'));
    const known = kinds(await objects(everything, ...prometheusApis));
    assert.equal(known.filter(kind => kind === 'ServiceMonitor').length, 2);
    assert.equal(known.filter(kind => kind === 'PrometheusRule').length, 2);
  });

  it('asks in alerts and dashboards only for metrics that there are', async () => {
    const list = await objects(everything, ...prometheusApis);
    const known = new Set([...Object.keys(GATEWAY_METRICS), ...Object.keys(OPERATOR_METRICS)]);
    const text = JSON.stringify(
      list.filter(({ kind, metadata }) => kind === 'PrometheusRule' || metadata.name === 'bigo-dashboards'),
    );
    const asked = [...text.matchAll(/([a-z][a-z_]*)\{/g)].map(([, name = '']) =>
      name.replace(/_bucket$/, ''),
    );
    assert.ok(asked.length >= 10);
    assert.deepEqual(
      asked.filter(name => !known.has(name)),
      [],
    );
  });

  it('gives the manager its own rights: all fleets by default, else those of its namespaces', async () => {
    const all = await objects({ manager: { enabled: true } });
    assert.deepEqual(named(all, 'ClusterRole', `${namespace}-model-manager-fleets`)['rules'], MANAGER_RULES);
    assert.deepEqual(named(all, 'ClusterRole', `${namespace}-model-manager`)['rules'], MANAGER_CLUSTER_RULES);
    assert.deepEqual(named(all, 'Role', 'model-manager-own')['rules'], MANAGER_OWN_RULES);
    const some = await objects({ manager: { enabled: true, namespaces: ['team-a'] } });
    const role = named(some, 'Role', 'model-manager');
    assert.equal(role.metadata.namespace, 'team-a');
    assert.deepEqual(role['rules'], MANAGER_RULES);
    const names = some
      .filter(({ kind }) => kind?.startsWith('ClusterRole'))
      .map(({ metadata }) => metadata.name);
    assert.deepEqual(
      names.filter(name => name.includes('model-manager')),
      [],
    );
  });

  it('makes keys and a configuration that the gateway takes', async () => {
    const config = { gateway: { aliases: { fast: 'llama3.2:1b' } } };
    const backends = ['http://ollama-a:11434', { url: 'http://ollama-b:11434', name: 'b' }];
    const list = await objects({ gateway: { enabled: true, backends, config } });
    const secret = named(list, 'Secret', 'bigo-gateway-keys')['data'] as Record<string, string>;
    const plain = (key: string) => Buffer.from(secret[key] ?? '', 'base64').toString();
    const file = path.join(folder, 'keys.yaml');
    await writeFile(file, plain('keys.yaml'));
    const ring = new KeyRing();
    ring.use(file);
    const identity = ring.identify({ authorization: `Bearer ${plain('admin-key')}` });
    assert.equal('role' in identity ? identity.role : identity.message, 'admin');
    const text = named(list, 'ConfigMap', 'bigo-gateway')['data']['config.yaml'] as string;
    const { gateway } = configSchema.parse(parse(text));
    assert.equal(gateway.backends.length, 2);
    assert.deepEqual(gateway.aliases, { fast: 'llama3.2:1b' });
    assert.equal(gateway.kubernetes.selector, 'app.kubernetes.io/name=ollama');
    assert.equal(gateway.keys_file, '/etc/bigo/keys/keys.yaml');
    assert.ok(gateway.hosts.includes('bigo-ollama') && !gateway.hosts.includes('any.example.com'));
    const other = await objects({ gateway: { enabled: true }, operator: { clusterDomain: 'k8s.example' } });
    const theirs = parse(
      named(other, 'ConfigMap', 'bigo-gateway')['data']['config.yaml'] as string,
    ) as unknown;
    const { hosts } = configSchema.parse(theirs).gateway;
    assert.ok(hosts.includes(`bigo-ollama.${namespace}.svc.k8s.example`), hosts.join(' '));
  });

  it('lets Ingresses stream, whoever serves them, and asks cert-manager for the certificate', async () => {
    const tls = { enabled: true, clusterIssuer: 'letsencrypt' };
    const annotations = { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '60' };
    const ingress = { enabled: true, host: 'a.example.com', className: 'nginx', tls, annotations };
    const list = await objects({ gateway: { enabled: true, ingress }, manager: { enabled: true, ingress } });
    for (const [name, service] of [
      ['bigo-gateway', 'bigo-ollama'],
      ['model-manager', 'model-manager-service'],
    ] as const) {
      const { metadata, spec } = named(list, 'Ingress', name) as KubeObject & { spec: KubeObject };
      const has = metadata.annotations ?? {};
      assert.equal(has['nginx.ingress.kubernetes.io/proxy-buffering'], 'off');
      assert.equal(has['haproxy.org/timeout-tunnel'], '1h');
      assert.equal(has['nginx.ingress.kubernetes.io/proxy-read-timeout'], '60');
      assert.equal(has['cert-manager.io/cluster-issuer'], 'letsencrypt');
      assert.deepEqual(spec['tls'], [{ hosts: ['a.example.com'], secretName: `${name}-tls` }]);
      assert.equal(spec['rules'][0].http.paths[0].backend.service.name, service);
      assert.equal(spec['ingressClassName'], 'nginx');
    }
  });
});
