// Text without end from the API server: passed on as it comes, ended by the caller, a refusal is an error; other answers end in time. Over a loopback socket.
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import { createKubeClient, type KubeClient } from './client.ts';

async function clientOf(
  t: TestContext,
  answer: (res: ServerResponse) => void,
  requestMsMax = 10_000,
): Promise<KubeClient> {
  const server = createServer((_req, res) => answer(res)).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const access = { server: `http://127.0.0.1:${port}`, skipsVerification: false, namespace: 'default' };
  const client = createKubeClient(access, { userAgent: 'test', nowMs: () => 0, requestMsMax });
  t.after(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return client;
}

it('a sign that is cut between two chunks comes out whole', async t => {
  const bytes = Buffer.from('grün\n');
  const client = await clientOf(t, res => {
    res.write(bytes.subarray(0, 3));
    setImmediate(() => res.end(bytes.subarray(3)));
  });
  let text = '';
  for await (const part of client.streamPath('/log', new AbortController().signal)) text += part;
  assert.equal(text, 'grün\n');
});

it('a stream that is never ended by the server ends with its signal', async t => {
  const client = await clientOf(t, res => res.write('first\n'));
  const stop = new AbortController();
  const parts: string[] = [];
  for await (const part of client.streamPath('/log', stop.signal)) {
    parts.push(part);
    stop.abort();
  }
  assert.deepEqual(parts, ['first\n']);
});

it('a refusal is an error with the server’s own words', async t => {
  const client = await clientOf(t, res => {
    const status = {
      kind: 'Status',
      code: 400,
      reason: 'BadRequest',
      message: 'container agent is not valid',
    };
    res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(status));
  });
  const read = async (): Promise<void> => {
    for await (const _part of client.streamPath('/log', new AbortController().signal)) assert.fail();
  };
  await assert.rejects(read, /container agent is not valid/);
});

it('a question whose answer does not end in time is given up, before its head and after it', async t => {
  const silent = await clientOf(t, () => {}, 100);
  await assert.rejects(silent.getPath('/version'), /no answer from the API server .*: not within 0\.1 s/);
  const half = await clientOf(t, res => res.write('{'), 100);
  await assert.rejects(half.getPath('/version'), /not within 0\.1 s/);
});
