// One models folder for all pods: the gateway changes models through the pod that may write, and sends requests to the others only.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeKubeconfig } from '../cluster/tools/credentials.ts';
import { startGatewayProcess } from '../contract/gateway-process.ts';
import { startFakeKubeApi } from '../fakes/kube-api/server.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import { atEnd } from '../tools/end-all.ts';
import { until } from '../tools/until.ts';

const by = { name: 'test', operation: 'Update', subresource: '' } as const;

const asked = (fake: FakeOllama, path: string) => fake.state().seen.filter(({ url }) => url === path).length;

test('a pull goes to the writer, a request never; without a writer no reader takes its place', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'bigo-shared-'));
  const api = await startFakeKubeApi();
  atEnd(t, () => api.close());
  const options = { models: [{ name: 'm' }], registry: [{ name: 'new' }], loadMs: 10, pullMs: 10 };
  const reader = await startFakeOllama({ ...options, host: '127.0.0.41' });
  atEnd(t, () => reader.stop());
  const writer = await startFakeOllama({ ...options, host: '127.0.0.42', port: reader.port });
  atEnd(t, () => writer.stop());
  const putPod = (name: string, app: string, podIP: string) =>
    api.store.create(
      { collection: 'v1/pods', namespace: 'llm', name },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, labels: { app } },
        status: { phase: 'Running', podIP },
      },
      by,
    );
  putPod('p-0', 'ollama', '127.0.0.41');
  putPod('w-0', 'writer', '127.0.0.42');
  const kubeconfig = await writeKubeconfig(join(folder, 'kubeconfig'), { url: api.url, token: 't' });
  const selectors = { selector: 'app=ollama', writer_selector: 'app=writer', store: 'models' };
  const kubernetes = { ...selectors, namespace: 'llm', kubeconfig, port: reader.port };
  const gateway = await startGatewayProcess([], { config: { gateway: { kubernetes } } });
  atEnd(t, () => gateway.stop());
  atEnd(t, () => rmSync(folder, { recursive: true }));
  const post = async (path: string, body: object) => {
    const answer = await fetch(gateway.url + path, { method: 'POST', body: JSON.stringify(body) });
    return { status: answer.status, text: await answer.text() };
  };
  const states = async () => {
    const fleet = (await (await fetch(`${gateway.admin}/bigo/v1/fleet`)).json()) as {
      backends: { state: string }[];
    };
    return fleet.backends.map(({ state }) => state).join();
  };
  const log = () => gateway.log();
  await until('both pods', async () => (await states()) === 'up,up', log);
  assert.match((await post('/api/pull', { model: 'new' })).text, /"status":"success"/);
  assert.deepEqual([asked(reader, '/api/pull'), asked(writer, '/api/pull')], [0, 1]);
  for (let turn = 0; turn < 6; turn++) {
    assert.match((await post('/api/generate', { model: 'm', prompt: 'x' })).text, /"done":true/);
  }
  assert.equal(asked(writer, '/api/generate'), 0);
  api.store.delete({ collection: 'v1/pods', namespace: 'llm', name: 'w-0' }, { orphans: false });
  await until('the end of the writer', async () => (await states()) === 'up', log);
  assert.ok((await post('/api/pull', { model: 'new', stream: false })).status >= 500);
  assert.equal(asked(reader, '/api/pull'), 0);
});
