// An operator beside a fake API server: small objects in the place of the real ones, short times, and helpers to wait for an end state.
// Never asserts that a certain call was made; only what the cluster looks like, and how many writes there were.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/api/kube-object.ts';
import { API_VERSION, KIND } from '../../src/api/ollama-deployment/resource.ts';
import type { Desired, DesiredInput } from '../../src/operator/core/desired/input.ts';
import { object } from '../../src/operator/core/desired/object.ts';
import { secretObjects } from '../../src/operator/core/desired/secrets.ts';
import { labelsOf, namesOf, selectorOf } from '../../src/operator/core/names.ts';
import { type OperatorLimits, type RunningOperator, startOperator } from '../../src/operator/operator.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type FakeKubeApi, startFakeKubeApi } from '../fakes/kube-api/server.ts';
import type { Fields } from '../fakes/kube-api/fields.ts';

export const namespace = 'default';
export const resources = `${API_VERSION}/ollamadeployments`;

const quickLimits: OperatorLimits = {
  reflector: { backoffMsMin: 5, backoffMsMax: 50, watchSecondsMin: 300, watchSecondsMax: 300, pageItems: 3 },
  lease: { durationMs: 1_500, renewDeadlineMs: 1_000, retryMs: 100 },
  secretRoundMs: 100,
  agentBusyMs: 50,
  agentUrl: () => undefined,
};

/** A resource that wants it meets a fault of the operator itself. */
export const panicModel = 'panic:1';

/** One object of each sort that matters to the plan: a keyed list, a whole list, quantities, a claim that stays. */
function smallDesired(input: DesiredInput): Desired {
  const { resolved } = input;
  if (resolved.ollama.models.includes(panicModel)) throw new Error('a fault of ours');
  const context = { ...input, names: namesOf(resolved.name) };
  const { names } = context;
  const make = (apiVersion: string, kind: string, name: string, fields: Record<string, unknown>) =>
    object(context, { apiVersion, kind, name, app: 'ollama' }, fields);
  const workload = (kind: string, name: string, replicas: number) => {
    const app = name === names.ollama ? 'ollama' : 'gateway';
    const selector = selectorOf(resolved.name, app);
    const container = {
      name: app,
      image: app === 'ollama' ? resolved.ollama.image : input.settings.image,
      args: ['serve'],
      env: [{ name: 'A', value: '1' }],
      resources: { requests: { cpu: '500m', memory: '2Gi' } },
      ports: [{ name: 'http', containerPort: 11_434 }],
    };
    return object(
      context,
      { apiVersion: 'apps/v1', kind, name, app },
      {
        spec: {
          replicas,
          selector: { matchLabels: selector },
          template: { metadata: { labels: labelsOf(resolved.name, app) }, spec: { containers: [container] } },
        },
      },
    );
  };
  const gateway = resolved.gateway;
  return {
    objects: [
      ...secretObjects(context),
      make('v1', 'ConfigMap', names.models, {
        data: { 'models.yaml': JSON.stringify(resolved.ollama.models) },
      }),
      make('v1', 'Service', names.ollama, {
        spec: { selector: selectorOf(resolved.name, 'ollama'), ports: [{ name: 'http', port: 11_434 }] },
      }),
      workload('StatefulSet', names.ollama, resolved.ollama.replicas),
      ...(gateway === undefined ? [] : [workload('Deployment', names.gateway, gateway.replicas)]),
      ...(resolved.openwebui === undefined
        ? []
        : [
            workload('Deployment', names.openwebui, 1),
            object(
              context,
              {
                apiVersion: 'v1',
                kind: 'PersistentVolumeClaim',
                name: names.openwebui,
                app: 'openwebui',
                isKept: true,
              },
              { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
            ),
          ]),
    ],
    notes: [],
  };
}

/** What two operators of one test may differ in. */
export interface StartOptions {
  readonly limits?: OperatorLimits;
  readonly clock?: Clock;
  readonly version?: string;
  readonly leaseNamespace?: string;
}

export interface Rig {
  readonly api: FakeKubeApi;
  readonly start: (options?: StartOptions) => Promise<RunningOperator>;
}

export async function startRig(t: TestContext): Promise<Rig> {
  const api = await startFakeKubeApi();
  const running = new Set<RunningOperator>();
  t.after(async () => {
    api.fault = () => undefined;
    await Promise.all([...running].map(operator => operator.close()));
    await api.close();
  });
  return {
    api,
    start: async options => {
      const operator = await startOn(api.url, options);
      running.add(operator);
      return operator;
    },
  };
}

export function startOn(server: string, options: StartOptions = {}): Promise<RunningOperator> {
  const { limits, clock = systemClock, version = '0.0.0', leaseNamespace = namespace } = options;
  return startOperator({
    access: { server, skipsVerification: false, namespace },
    namespaces: [],
    leaseNamespace,
    admin: { host: '127.0.0.1', port: 0 },
    version,
    desired: smallDesired,
    settings: { image: 'bigo:test', clusterDomain: 'cluster.local', ollamaTag: '0.24.0' },
    clock,
    rng: Math.random,
    log: silentLog(),
    limits: { ...quickLimits, ...limits },
  });
}

const person = { name: 'kubectl', operation: 'Update', subresource: '' } as const;

export function declare(api: FakeKubeApi, name: string, spec: Fields = {}): void {
  const ollama = { replicas: 1, models: ['llama3.2:1b'], ...(spec['ollama'] as Fields | undefined) };
  api.store.create(
    { collection: resources, namespace, name },
    { apiVersion: API_VERSION, kind: KIND, metadata: { name, namespace }, spec: { ...spec, ollama } },
    person,
  );
}

export function change(api: FakeKubeApi, collection: string, name: string, patch: Fields): void {
  api.store.mergePatch({ collection, namespace, name }, patch, person);
}

export function names(api: FakeKubeApi, collection: string): string[] {
  return api.store.list(collection, namespace).map(found => (found['metadata'] as { name: string }).name);
}

export function find(api: FakeKubeApi, collection: string, name: string): KubeObject | undefined {
  if (!names(api, collection).includes(name)) return undefined;
  return api.store.get({ collection, namespace, name }) as unknown as KubeObject;
}

export async function eventually(what: string, isSo: () => boolean, msMax = 8_000): Promise<void> {
  const endMs = performance.now() + msMax;
  while (!isSo()) {
    if (performance.now() > endMs) assert.fail(`not in ${msMax} ms: ${what}`);
    await sleep(10);
  }
}

/** No write but those of the lease for so long. */
export async function quiet(api: FakeKubeApi, msMin = 300): Promise<void> {
  const endMs = performance.now() + 10_000;
  for (let count = -1; count !== ownWrites(api).length;) {
    assert.ok(performance.now() < endMs, 'the operator goes on writing');
    count = ownWrites(api).length;
    await sleep(msMin);
  }
}

export function ownWrites(api: FakeKubeApi): string[] {
  return api
    .writes()
    .filter(({ path }) => !path.includes('/leases'))
    .map(({ method, path }) => `${method} ${path}`);
}
