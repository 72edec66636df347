// Pulling from a registry that misbehaves: resume, wrong bytes, clients who leave. No half model is ever listed.
import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { startRegistry } from '../tools/registry.ts';
import type { Registry } from '../tools/registry.ts';
import { digestOf, tinyGguf } from '../tools/tiny-gguf.ts';
import { until } from '../tools/until.ts';
import { json, lines, startTestEngine } from './harness.ts';
import type { TestEngine } from './harness.ts';

const tiny = tinyGguf();
const digest = digestOf(tiny);

interface Scene {
  readonly engine: TestEngine;
  readonly registry: Registry;
  readonly model: string;
}

async function scene(t: TestContext): Promise<Scene> {
  const registry = await startRegistry();
  t.after(() => registry.stop());
  await registry.addModel('library/tiny:1', { gguf: tiny, parameters: { temperature: 0.5 } });
  const engine = await startTestEngine(t);
  return { engine, registry, model: `${registry.host}/library/tiny:1` };
}

const pull = ({ engine, model }: Scene, signal?: AbortSignal): Promise<Response> =>
  engine.post('/api/pull', { model, insecure: true }, signal);

async function names(engine: TestEngine): Promise<string[]> {
  const answer = (await (await fetch(`${engine.url}/api/tags`)).json()) as { models: { name: string }[] };
  return answer.models.map(model => model.name);
}

function blobFiles(engine: TestEngine): Promise<string[]> {
  return readdir(join(engine.store, 'blobs'));
}

const weightsRequests = (registry: Registry) =>
  registry.requests.filter(seen => seen.path === `/direct/${digest}`);

describe('embedded engine: pull', () => {
  test("a pull says what Ollama's says and ends in success", async t => {
    const all = await scene(t);
    const said = await lines(await pull(all));
    assert.equal(said[0]?.['status'], 'pulling manifest');
    const weights = said.filter(line => line['digest'] === digest);
    assert.deepEqual(weights.at(-1), {
      status: `pulling ${digest.slice(7, 19)}`,
      digest,
      total: tiny.length,
      completed: tiny.length,
    });
    assert.deepEqual(
      said.slice(-3).map(line => line['status']),
      ['verifying sha256 digest', 'writing manifest', 'success'],
    );
    assert.deepEqual(await names(all.engine), [all.model]);
    const shown = await json(all.engine.post('/api/show', { model: all.model }));
    assert.match(String(shown['parameters']), /temperature +0\.5/);
  });

  test('what is there already is not fetched again', async t => {
    const all = await scene(t);
    await (await pull(all)).text();
    const before = weightsRequests(all.registry).length;
    assert.equal((await lines(await pull(all))).at(-1)?.['status'], 'success');
    assert.equal(weightsRequests(all.registry).length, before);
  });

  test('a connection that breaks is taken up where it broke', async t => {
    const all = await scene(t);
    all.registry.setFault(digest, { cutAfterBytes: 100_000, times: 1 });
    assert.equal((await lines(await pull(all))).at(-1)?.['status'], 'success');
    assert.equal(weightsRequests(all.registry).at(-1)?.range, 'bytes=100000-');
  });

  test('wrong bytes are refused, deleted, and right ones taken at the next try', async t => {
    const all = await scene(t);
    all.registry.setFault(digest, { wrongByte: true });
    assert.match(String((await lines(await pull(all))).at(-1)?.['error']), /digest mismatch/);
    assert.deepEqual(await names(all.engine), []);
    assert.ok(!(await blobFiles(all.engine)).some(file => file.includes(digest.slice(7))));
    all.registry.setFault(digest, undefined);
    assert.equal((await lines(await pull(all))).at(-1)?.['status'], 'success');
  });

  test('a Content-Length that lies does no harm when the bytes are right', async t => {
    const all = await scene(t);
    all.registry.setFault(digest, { claimMoreBytes: 10 });
    assert.equal((await lines(await pull(all))).at(-1)?.['status'], 'success');
    assert.deepEqual(await names(all.engine), [all.model]);
  });

  test('the last client who leaves cancels the download; the next one goes on with it', async t => {
    const all = await scene(t);
    all.registry.setFault(digest, { bytesPerSecond: 200_000 });
    const [first, second] = [new AbortController(), new AbortController()];
    const one = pull(all, first.signal)
      .then(answer => answer.text())
      .catch(() => 'left');
    const two = pull(all, second.signal)
      .then(answer => answer.text())
      .catch(() => 'left');
    const partial = join(all.engine.store, 'blobs', `sha256-${digest.slice(7)}-partial`);
    const size = (): Promise<number> =>
      stat(partial).then(
        found => found.size,
        () => 0,
      );
    await until('some bytes came', async () => (await size()) > 40_000);
    first.abort();
    const before = await size();
    await until('the download goes on for the other', async () => (await size()) > before);
    second.abort();
    assert.deepEqual(await Promise.all([one, two]), ['left', 'left']);
    assert.equal(
      weightsRequests(all.registry).filter(seen => seen.range === undefined).length,
      1,
      'one download for two',
    );
    all.registry.setFault(digest, undefined);
    await until('cancelled', async () =>
      (await blobFiles(all.engine)).some(file => file.endsWith('-partial')),
    );
    assert.equal((await lines(await pull(all))).at(-1)?.['status'], 'success');
    assert.match(weightsRequests(all.registry).at(-1)?.range ?? '', /^bytes=\d{5,}-$/);
  });

  test('a model that the registry does not have, and a registry that is not there, are clear errors', async t => {
    const all = await scene(t);
    const missing = await lines(
      await all.engine.post('/api/pull', { model: `${all.registry.host}/library/none:1`, insecure: true }),
    );
    assert.deepEqual(missing.at(-1), { error: 'pull model manifest: file does not exist' });
    const away = await lines(
      await all.engine.post('/api/pull', { model: '127.0.0.1:1/library/none:1', insecure: true }),
    );
    assert.match(String(away.at(-1)?.['error']), /^pull model manifest: Get "http:\/\/127\.0\.0\.1:1\//);
    const whole = await all.engine.post('/api/pull', {
      model: '127.0.0.1:1/library/none:1',
      insecure: true,
      stream: false,
    });
    assert.equal(whole.status, 500);
  });

  test('a GGUF file of this machine is pulled by its file: URL', async t => {
    const { engine } = await scene(t);
    const folder = await mkdtemp(join(tmpdir(), 'bigo-gguf-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'My Model.gguf'), tiny);
    const model = pathToFileURL(join(folder, 'My Model.gguf')).href;
    assert.equal((await lines(await engine.post('/api/pull', { model }))).at(-1)?.['status'], 'success');
    assert.deepEqual(await names(engine), ['my-model:latest']);
    await writeFile(join(folder, 'no.gguf'), 'not a model');
    const refused = await engine.post('/api/pull', { model: pathToFileURL(join(folder, 'no.gguf')).href });
    assert.match(String((await json(refused))['error']), /not in GGUF format/);
  });
});

describe('embedded engine: create, copy, delete', () => {
  test('a model made of another one keeps its weights and adds its own layers', async t => {
    const { engine } = await scene(t);
    await engine.add('base');
    const body = {
      model: 'own',
      from: 'base',
      system: 'Be brief.',
      parameters: { stop: 'x', num_ctx: 128 },
      license: 'mine',
      messages: [{ role: 'user', content: 'hi' }],
    };
    const said = await lines(await engine.post('/api/create', body));
    assert.deepEqual(
      said.slice(-2).map(line => line['status']),
      ['writing manifest', 'success'],
    );
    const shown = await json(engine.post('/api/show', { model: 'own' }));
    assert.equal(shown['system'], 'Be brief.');
    assert.equal(shown['license'], 'mine');
    assert.match(String(shown['parameters']), /stop +"x"\nnum_ctx +128/);
    assert.deepEqual(shown['messages'], [{ role: 'user', content: 'hi' }]);
    assert.equal((shown['details'] as { parent_model: string }).parent_model, 'base:latest');
  });

  test('a template is stored with a warning that it is not used', async t => {
    const { engine } = await scene(t);
    await engine.add('base');
    const said = await lines(
      await engine.post('/api/create', { model: 'own', from: 'base', template: '{{ .Prompt }}' }),
    );
    assert.ok(said.some(line => String(line['status']).startsWith('warning: the template')));
    assert.equal(said.at(-1)?.['status'], 'success');
  });

  test('deleting the last name of a model deletes its blobs, and not before', async t => {
    const { engine } = await scene(t);
    await engine.add('base');
    assert.equal((await engine.post('/api/copy', { source: 'BASE', destination: 'second' })).status, 200);
    const remove = (model: string): Promise<Response> =>
      fetch(`${engine.url}/api/delete`, { method: 'DELETE', body: JSON.stringify({ model }) });
    assert.equal((await remove('base')).status, 200);
    assert.deepEqual(await names(engine), ['second:latest']);
    assert.equal((await engine.post('/api/show', { model: 'second' })).status, 200);
    assert.equal((await remove('second')).status, 200);
    assert.deepEqual(await blobFiles(engine), []);
    assert.equal((await remove('second')).status, 404);
  });

  test('a blob with another digest is refused and leaves nothing behind', async t => {
    const { engine } = await scene(t);
    const wrong = `sha256:${'0'.repeat(64)}`;
    const refused = await fetch(`${engine.url}/api/blobs/${wrong}`, { method: 'POST', body: 'abc' });
    assert.equal(refused.status, 400);
    assert.match(String((await json(refused))['error']), /^digest mismatch, expected/);
    assert.deepEqual(await blobFiles(engine), []);
    assert.equal((await fetch(`${engine.url}/api/blobs/${wrong}`, { method: 'HEAD' })).status, 404);
  });

  test('files outside the store cannot be named by a digest', async t => {
    const { engine } = await scene(t);
    for (const digestText of ['sha256:../../etc/passwd', '../../etc/passwd', 'sha256-00']) {
      const answer = await fetch(`${engine.url}/api/blobs/${encodeURIComponent(digestText)}`, {
        method: 'HEAD',
      });
      assert.ok(answer.status === 400 || answer.status === 404, String(answer.status));
    }
  });
});
