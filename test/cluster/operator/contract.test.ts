// The contract of an API server, kept by the real one: what the fake one promises is true.
import { after, before, describe } from 'node:test';
import { createKubeClient, type KubeClient } from '../../../src/platform/kube/client.ts';
import { contract } from '../../operator/contract.ts';
import { endAll } from '../../tools/end-all.ts';
import { skipWithoutCluster, startControlPlane, type ControlPlane } from '../tools/cluster.ts';

describe('the real API server', { skip: await skipWithoutCluster() }, () => {
  let cluster: ControlPlane;
  const clients: KubeClient[] = [];
  before(async () => {
    cluster = await startControlPlane();
  });
  after(() => endAll(...clients.map(client => () => client.close()), () => cluster?.stop()));
  contract(async () => {
    const namespace = await cluster.namespace({ after: () => {} });
    const { url, token, ca } = await cluster.credentials('admin');
    const client = createKubeClient(
      {
        server: url,
        token,
        skipsVerification: ca === undefined,
        namespace,
        ...(ca === undefined ? {} : { ca }),
      },
      { userAgent: 'contract', nowMs: () => performance.now(), requestMsMax: 30_000 },
    );
    clients.push(client);
    return { client, namespace, compact: () => cluster.forgetHistory() };
  });
});
