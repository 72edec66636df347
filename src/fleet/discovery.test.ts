// What `bigo up` takes, over little servers on loopback. Never looks at the real port of Ollama.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { INSTANCE_HEADER } from '../api/fleet.ts';
import { discover, type Discovery, type DiscoveryInput } from './discovery.ts';
import { freePorts } from './ollama-children.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function http(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise(resolve => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const ollama = () => http((_req, res) => res.end('{"version":"0.24.0"}'));
const bigo = () => http((_req, res) => res.setHeader(INSTANCE_HEADER, 'x').end('{"version":"0.24.0"}'));
const nobody = async (): Promise<string> => `http://127.0.0.1:${(await freePorts(1))[0]}`;

const look = async (input: Partial<DiscoveryInput>): Promise<Discovery> =>
  discover({
    named: [],
    ollamaHost: undefined,
    findProgram: () => undefined,
    defaultUrl: await nobody(),
    ...input,
  });
const urlOf = (found: Discovery): string | undefined =>
  'backends' in found ? found.backends[0]?.url : undefined;

test('named backends are taken unasked', async () => {
  const named = [{ name: 'a', url: 'http://nowhere.invalid:1', store: 'a', class: 'default' }];
  const found = await look({ named, ollamaHost: await ollama() });
  assert.equal(found.kind, 'named');
  assert.equal(urlOf(found), 'http://nowhere.invalid:1');
});

test('OLLAMA_HOST comes before the usual address', async () => {
  const [mine, usual] = [await ollama(), await ollama()];
  const found = await look({ ollamaHost: mine.replace('http://', ''), defaultUrl: usual });
  assert.equal(urlOf(found), mine);
  assert.match(found.why.at(-1) ?? '', /Using the Ollama 0\.24\.0 .*OLLAMA_HOST/);
});

test('an OLLAMA_HOST where a BigO or nobody answers is passed over with the reason', async () => {
  const usual = await ollama();
  for (const [host, reason] of [
    [await bigo(), /a BigO answers there/],
    [await nobody(), /connection refused/],
    ['http://h/path', /under a path/],
  ] as const) {
    const found = await look({ ollamaHost: host, defaultUrl: usual });
    assert.equal(urlOf(found), usual);
    assert.match(found.why[0] ?? '', reason);
  }
});

test('something else on the usual port is no Ollama; then the program on PATH is taken, then the engine', async () => {
  const web = await http((_req, res) => res.end('<html>'));
  const found = await look({ defaultUrl: web, findProgram: name => `/bin/${name}` });
  assert.deepEqual([found.kind, 'binary' in found && found.binary], ['binary', '/bin/ollama']);
  assert.match(found.why[0] ?? '', /not an Ollama/);
  const engine = await look({ defaultUrl: web });
  assert.equal(engine.kind, 'engine');
  assert.match(engine.why.at(-1) ?? '', /embedded engine/);
});

test('a server that accepts and says nothing does not hold up the search', async () => {
  const silent = await http(() => {});
  const found = await look({ defaultUrl: silent, answerMsMax: 50 });
  assert.equal(found.kind, 'engine');
  assert.match(found.why[0] ?? '', /50 ms/);
});
