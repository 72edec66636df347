// The committed profiles on a real API server, applied as their documents say: once makes everything, twice changes nothing,
// and every pod is let in by quota and Pod Security. Pods are objects only.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual, promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { PROFILE_NAMES } from '../../src/profiles/core/types.ts';
import { aHome } from '../cli/bigo.ts';
import { find } from '../tools/parts.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from './tools/cluster.ts';
import type { KubeObject } from './tools/kube-client.ts';

const run = promisify(execFile);
/** A whole suite of programs that are started one after another. */
const allMsMax = 900_000;
const folder = path.join(import.meta.dirname, '..', '..', 'k8s');
const kubectl = await find('kubectl');
const noCluster = await skipWithoutCluster();
const skip = noCluster === false && kubectl === undefined ? 'needs kubectl' : noCluster;
const commandMsMax = 150_000;
const namespaces = {
  bigo: 'bigo',
  production: 'ollama',
  'model-hosting': 'model-hosting',
  homelab: 'ml',
} as const;

/** What each would run: the pods that a kubelet would be given. */
const podCounts = {
  bigo: { ollama: 2, 'ollama-gateway': 2, 'ollama-model-loader': 1, 'bigo-secrets': 1 },
  production: { ollama: 1, 'ollama-gateway': 2, 'bigo-secrets': 1 },
  'model-hosting': {
    ollama: 3,
    'ollama-writer': 1,
    'ollama-gateway': 2,
    'model-manager': 1,
    'bigo-secrets': 1,
  },
  homelab: { ollama: 1, 'ollama-writer': 1, 'ollama-gateway': 1, 'bigo-secrets': 1 },
} as const;

describe('profiles of plain manifests', { skip, timeout: allMsMax }, () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane({ audit: false });
  });
  after(() => cluster.stop());

  const apply = async (...args: readonly string[]): Promise<string[]> => {
    const { stdout } = await run(kubectl ?? 'kubectl', ['apply', ...args], {
      env: { ...process.env, KUBECONFIG: cluster.adminKubeconfig },
      timeout: commandMsMax,
    });
    return stdout.trim().split('\n');
  };
  const podsOf = async (namespace: string): Promise<KubeObject[]> =>
    cluster.admin.list({ apiVersion: 'v1', kind: 'Pod', namespace });

  for (const profile of PROFILE_NAMES) {
    const namespace = namespaces[profile];
    const files = path.join(folder, profile);

    describe(profile, () => {
      it('is applied in one go to an empty cluster', async () => {
        const lines = await apply('-f', files);
        const notMade = lines.filter(line => !line.endsWith(' created'));
        // The namespace stands in two files, so that either can come first.
        const repeated = notMade.filter(line => /^(namespace|resourcequota|limitrange)\//.test(line));
        assert.deepEqual(notMade, repeated);
      });

      it('gets all its pods: neither Pod Security nor a quota refuses one', async () => {
        const wanted = podCounts[profile] as Readonly<Record<string, number>>;
        const counted = async (): Promise<Record<string, number>> => {
          const owners = (await podsOf(namespace)).map(pod => workloadOf(pod));
          const groups = Map.groupBy(owners, name => name);
          return Object.fromEntries([...groups].map(([name, list]) => [name, list.length]));
        };
        for (let turn = 0; turn < 900; turn++) {
          if (isDeepStrictEqual(await counted(), wanted)) return;
          await new Promise(resolve => setTimeout(resolve, 100));
        }
        const events = await cluster.admin.list({ apiVersion: 'v1', kind: 'Event', namespace });
        const refused = events
          .map(event => String(event['message']))
          .filter(text => /forbidden|denied/.test(text));
        assert.deepEqual(await counted(), wanted, refused.join('\n'));
      });

      it('gets its keys from a Job with rights to these Secrets only, and never twice', async t => {
        const kubeconfig = await cluster.kubeconfig({ namespace, serviceAccount: 'bigo-secrets' });
        const home = aHome(t);
        const config = await cluster.admin.get({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          namespace,
          name: 'bigo-secrets',
        });
        const needs = path.join(home.dir, 'needs.json');
        await writeFile(needs, config['data']['needs.json']);
        const fill = () =>
          home.run(['fill-secrets', '--needs', needs, '-n', namespace, '--kubeconfig', kubeconfig]);
        const first = await fill();
        assert.equal(first.code, 0, first.stderr);
        const token = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'ollama-gateway-admin' };
        const made = (await cluster.admin.get(token))['data'];
        assert.match(String(made.token), /^[A-Za-z0-9+/=]{20,}$/);
        const second = await fill();
        assert.match(second.stdout, /ollama-gateway-admin: complete/);
        assert.deepEqual((await cluster.admin.get(token))['data'], made);
      });

      it('is left alone by a second apply, keys and all', async () => {
        const token = { apiVersion: 'v1', kind: 'Secret', namespace, name: 'ollama-gateway-admin' };
        const { data } = await cluster.admin.get(token);
        const budgets = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', namespace };
        const generations = async (): Promise<unknown[]> =>
          (await cluster.admin.list(budgets)).map(({ metadata }) => [metadata.name, metadata['generation']]);
        const before = await generations();
        const changed = (await apply('-f', files)).filter(line => !line.endsWith(' unchanged'));
        // kubectl sends a patch for the selector of a budget each time, also when it is the same; the server changes nothing.
        const budgetsSent = changed.filter(line => line.startsWith('poddisruptionbudget.policy/'));
        assert.deepEqual(changed, budgetsSent);
        assert.deepEqual(await generations(), before);
        assert.deepEqual((await cluster.admin.get(token))['data'], data);
      });

      it('is the same through Kustomize', async () => {
        const { stdout } = await run(kubectl ?? 'kubectl', ['kustomize', files], { timeout: commandMsMax });
        const names = (texts: readonly string[]) =>
          texts
            .flatMap(text => parseAllDocuments(text).map(document => document.toJS() as KubeObject))
            .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
            .toSorted();
        const paths = (await readdir(files)).filter(file => file.endsWith('.yaml'));
        const texts = await Promise.all(paths.map(file => readFile(path.join(files, file), 'utf8')));
        assert.deepEqual(names([stdout]), [...new Set(names(texts))]);
      });
    });
  }

  it('usage that the manager wrote outlives an apply', async () => {
    const usage = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      namespace: 'model-hosting',
      name: 'model-usage-stats',
    };
    await cluster.admin.patch(usage, { data: { usage_data: '{"a:1":{"requests":3}}' } });
    await apply('-f', path.join(folder, 'model-hosting'));
    assert.equal((await cluster.admin.get(usage))['data'].usage_data, '{"a:1":{"requests":3}}');
  });
});

/** Of a Deployment's pod the name of the Deployment. */
function workloadOf({ metadata }: KubeObject): string {
  const [owner] = (metadata.ownerReferences ?? []) as { kind: string; name: string }[];
  return owner?.kind === 'ReplicaSet'
    ? owner.name.replace(/-[a-z0-9]+$/, '')
    : (owner?.name ?? metadata.name);
}
