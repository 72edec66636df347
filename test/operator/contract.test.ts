// The contract of an API server, kept by the fake one.
import { after, describe } from 'node:test';
import { createKubeClient, type KubeClient } from '../../src/platform/kube/client.ts';
import { type FakeKubeApi, startFakeKubeApi } from '../fakes/kube-api/server.ts';
import { contract } from './contract.ts';

describe('the fake API server', () => {
  const open: { api: FakeKubeApi; client: KubeClient }[] = [];
  after(async () => {
    for (const { api, client } of open) {
      await client.close();
      await api.close();
    }
  });
  contract(async () => {
    const api = await startFakeKubeApi();
    const client = createKubeClient(
      { server: api.url, skipsVerification: false, namespace: 'default' },
      { userAgent: 'contract', nowMs: () => performance.now(), requestMsMax: 5_000 },
    );
    open.push({ api, client });
    return { client, namespace: 'default', compact: () => Promise.resolve(api.store.compact()) };
  });
});
