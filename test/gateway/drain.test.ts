// The end of a gateway: what it took it answers, also on connections that were not told of the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHAT, RawClient, until, withRig } from './rig.ts';
import { answerStream, chunk, doneLine, lastChunk, streamHead, tokenLine } from './scripted-backend.ts';
import type { ScriptedRequest } from './scripted-backend.ts';

test('a client whose answer began before the drain may send its next request on the same connection', () =>
  withRig({ time: { drainMsMax: 60_000 } }, async rig => {
    rig.assertClean = async () => undefined;
    let first: ScriptedRequest | undefined;
    rig.backend.script = request => {
      if (first !== undefined) return answerStream(request);
      first = request;
      request.socket.write(streamHead + chunk(tokenLine('a')));
    };
    const client = await RawClient.connect(rig.port);
    client.post('/api/chat', CHAT);
    await client.waitFor('"a"');
    const drained = rig.gateway.drain();
    await until(
      async () => (await rig.admin('/readyz')).status === 503,
      async () => 'still ready',
    );
    first?.socket.write(chunk(doneLine) + lastChunk);
    await client.waitFor(/"done":true.*\r\n0\r\n\r\n/s);
    client.received = '';
    client.post('/api/chat', CHAT);
    await client.waitFor('"done":true');
    assert.match(client.received, /^HTTP\/1\.1 200 /);
    assert.match(client.received, /\r\nconnection: close\r\n/i);
    await client.waitClosed();
    await drained;
  }));

test('a request that was taken late in the drain has as long to finish as any other', () =>
  withRig({ time: { drainMsMax: 4_000 } }, async rig => {
    rig.assertClean = async () => undefined;
    const open: ScriptedRequest[] = [];
    rig.backend.script = request => {
      open.push(request);
      request.socket.write(streamHead + chunk(tokenLine('a')));
    };
    const client = await RawClient.connect(rig.port);
    client.post('/api/chat', CHAT);
    await client.waitFor('"a"');
    const drained = rig.gateway.drain();
    await sleep(1_500);
    open[0]?.socket.write(chunk(doneLine) + lastChunk);
    await client.waitFor(/"done":true.*\r\n0\r\n\r\n/s);
    client.received = '';
    client.post('/api/chat', CHAT);
    await client.waitFor('"a"');
    // Beyond the time that the drain had when it began.
    await sleep(3_500);
    open[1]?.socket.write(chunk(doneLine) + lastChunk);
    await client.waitFor('"done":true');
    assert.doesNotMatch(client.received, /"error"/);
    await drained;
  }));
