// The real `ollama` program in front of a fleet of two real Ollamas with a store each, beside the same on one server.
// Never judges what a model says: the model is random, and says the same everywhere at temperature 0.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startGatewayProcess, type GatewayProcess } from '../contract/gateway-process.ts';
import { skipUnless } from '../tools/parts.ts';
import { startOllama, type RealOllama } from '../tools/real-ollama.ts';
import { startRegistry, type Registry } from '../tools/registry.ts';
import { tinyGguf } from '../tools/tiny-gguf.ts';
import { until } from '../tools/until.ts';
import { ollamaClient, type ClientAnswer, type OllamaClient } from './ollama-client.ts';

const steady = { num_predict: 12, temperature: 0, num_thread: 1 };

interface World {
  readonly a: RealOllama;
  b: RealOllama;
  readonly single: RealOllama;
  readonly gateway: GatewayProcess;
  readonly registry: Registry;
  readonly client: OllamaClient;
  readonly storeOfB: string;
}

async function startWorld(): Promise<World> {
  const storeOfB = await mkdtemp(path.join(tmpdir(), 'bigo-store-'));
  const [a, b, single] = await Promise.all([startOllama(), startOllama({ store: storeOfB }), startOllama()]);
  const gateway = await startGatewayProcess([`${a.url},name=a`, `${b.url},name=b`]);
  const registry = await startRegistry();
  await registry.addModel('library/tiny:1', { gguf: tinyGguf(), parameters: steady });
  const client = await ollamaClient(a.binary);
  await writeFile(path.join(client.folder, 'two.gguf'), tinyGguf({ name: 'two', seed: 2 }));
  const parameters = 'PARAMETER num_predict 5\nPARAMETER temperature 0\nPARAMETER num_thread 1\n';
  await writeFile(path.join(client.folder, 'FromFile'), `FROM ./two.gguf\n${parameters}SYSTEM Be kind.\n`);
  await writeFile(path.join(client.folder, 'FromModel'), 'FROM tiny\nPARAMETER num_predict 3\n');
  return { a, b, single, gateway, registry, client, storeOfB };
}

async function stopWorld(world: World): Promise<void> {
  await world.gateway.stop();
  await Promise.all([world.a.stop(), world.b.stop(), world.single.stop(), world.registry.stop()]);
  await world.client.remove();
  await rm(world.storeOfB, { recursive: true, force: true });
}

async function namesIn(server: RealOllama, route: '/api/tags' | '/api/ps'): Promise<string[]> {
  const answer = (await (await fetch(server.url + route)).json()) as { models: { name: string }[] };
  return answer.models.map(model => model.name).toSorted();
}

/** The cells of a table that the program prints, without columns that hold a moment in time. */
function table({ stdout }: ClientAnswer): string[][] {
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map(line => line.trim().split(/ {2,}/));
  return rows.map(cells => cells.slice(0, -1)).toSorted((a, b) => a.join().localeCompare(b.join()));
}

/** Ollama prints parameters in no order. */
function lines({ code, stdout }: ClientAnswer): string[] {
  return [`exit ${code}`, ...stdout.split('\n')].toSorted();
}

interface SeenBackend {
  readonly name: string;
  readonly state: string;
  readonly loaded: readonly unknown[];
}

/** What the gateway knows by now: it learns by polling what it did not do itself. */
async function seen({ admin }: GatewayProcess): Promise<readonly SeenBackend[]> {
  const answer = await fetch(`${admin}/bigo/v1/fleet`);
  return ((await answer.json()) as { backends: readonly SeenBackend[] }).backends;
}

describe('the ollama program, with OLLAMA_HOST = the gateway', { skip: await skipUnless('ollama') }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => stopWorld(world));

  const onFleet = (...args: string[]): Promise<ClientAnswer> => world.client.run(world.gateway.url, args);
  const onBoth = async (args: readonly string[], input?: string): Promise<[ClientAnswer, ClientAnswer]> => [
    await world.client.run(world.gateway.url, args, input),
    await world.client.run(world.single.url, args, input),
  ];
  const stores = (): Promise<string[][]> =>
    Promise.all([namesIn(world.a, '/api/tags'), namesIn(world.b, '/api/tags')]);

  test('pull brings a model to every store', async () => {
    const model = `${world.registry.host}/library/tiny:1`;
    const [fleet, one] = await onBoth(['pull', '--insecure', model]);
    assert.deepEqual([fleet.code, one.code], [0, 0], fleet.stderr);
    assert.match(fleet.stderr, /success\s*$/);
    assert.deepEqual(await stores(), [[model], [model]]);
  });

  test('cp makes the copy in every store', async () => {
    const model = `${world.registry.host}/library/tiny:1`;
    const [fleet, one] = await onBoth(['cp', model, 'tiny']);
    assert.deepEqual(fleet, one);
    assert.deepEqual(await stores(), [
      [model, 'tiny:latest'],
      [model, 'tiny:latest'],
    ]);
  });

  test('list and show print what one server prints', async () => {
    const [fleet, one] = await onBoth(['list']);
    assert.deepEqual(table(fleet), table(one));
    assert.equal(table(fleet).length, 3);
    for (const flag of ['--parameters', '--template', '--license', '--system']) {
      const [shown, wanted] = await onBoth(['show', 'tiny', flag]);
      assert.deepEqual(lines(shown), lines(wanted));
    }
    const [shown, wanted] = await onBoth(['show', 'tiny']);
    assert.deepEqual(lines(shown), lines(wanted));
    assert.match(shown.stdout, /num_predict +12/);
  });

  test('run prints the same answer, to a prompt and to piped text', async () => {
    const [fleet, one] = await onBoth(['run', 'tiny', 'hello']);
    assert.equal(fleet.stdout, one.stdout);
    assert.ok(fleet.stdout.trim().length > 0);
    const [piped, wanted] = await onBoth(['run', 'tiny'], 'some other text');
    assert.equal(piped.stdout, wanted.stdout);
    assert.notEqual(piped.stdout, fleet.stdout);
    const [added, both] = await onBoth(['run', 'tiny', 'in one line:'], 'some other text');
    assert.equal(added.stdout, both.stdout);
  });

  test('ps shows what is loaded, and stop unloads it wherever it is', async () => {
    const [fleet, one] = await onBoth(['ps']);
    assert.deepEqual(table(fleet), table(one));
    const load = { method: 'POST', body: JSON.stringify({ model: 'tiny' }) };
    for (const server of [world.a, world.b]) await (await fetch(`${server.url}/api/generate`, load)).text();
    await until('both loads are seen', async () => {
      return (await seen(world.gateway)).every(backend => backend.loaded.length === 1);
    });
    assert.equal((await onFleet('stop', 'tiny')).code, 0);
    // Ollama answers before it has unloaded.
    for (const server of [world.a, world.b]) {
      await until('it is unloaded', async () => (await namesIn(server, '/api/ps')).length === 0);
    }
  });

  test('create from a file and from a model gives every store the model', async () => {
    for (const [name, file] of [
      ['mine', 'FromFile'],
      ['derived', 'FromModel'],
    ] as const) {
      const [fleet, one] = await onBoth(['create', name, '-f', file]);
      assert.deepEqual([fleet.code, one.code], [0, 0], fleet.stderr);
      assert.match(fleet.stderr, /success\s*$/);
      for (const names of await stores()) assert.ok(names.includes(`${name}:latest`), names.join());
      const [shown, wanted] = await onBoth(['show', name]);
      assert.deepEqual(lines(shown), lines(wanted));
      const [said, hoped] = await onBoth(['run', name, 'hi']);
      assert.equal(said.stdout, hoped.stdout);
    }
  });

  test('rm takes a model off every store', async () => {
    const [fleet, one] = await onBoth(['rm', 'derived']);
    assert.equal(fleet.stdout, one.stdout);
    for (const names of await stores()) assert.ok(!names.includes('derived:latest'), names.join());
  });

  test('a model that is nowhere is the same error as on one server', async () => {
    for (const args of [
      ['show', 'nowhere'],
      ['rm', 'nowhere'],
      ['cp', 'nowhere', 'x'],
      ['stop', 'nowhere'],
    ]) {
      const [fleet, one] = await onBoth(args);
      assert.deepEqual(fleet, one);
      assert.equal(fleet.code, 1);
    }
  });

  test('a store that is down during create is named, and the others have the model', async () => {
    await world.b.stop();
    const answer = await onFleet('create', 'later', '-f', 'FromFile');
    assert.match(answer.stderr, /\bb does not have it yet \(.+\): create the model again/);
    assert.match(answer.stderr, /success\s*$/);
    assert.ok((await namesIn(world.a, '/api/tags')).includes('later:latest'));
    assert.equal((await onFleet('run', 'later', 'hi')).code, 0);
  });

  test('cp and rm with a store down name it, and are made good when it returns', async () => {
    for (const args of [
      ['cp', 'mine', 'copied'],
      ['rm', 'mine'],
    ]) {
      const answer = await onFleet(...args);
      assert.equal(answer.code, 1);
      assert.match(answer.stderr, /Error: b: .+\. The change is applied there when it returns\./);
    }
    world.b = await startOllama({ port: world.b.port, store: world.storeOfB });
    await until('b is up', async () => {
      return (await seen(world.gateway)).every(backend => backend.state === 'up');
    });
    await until('the changes are made on b', async () => {
      const names = await namesIn(world.b, '/api/tags');
      return names.includes('copied:latest') && !names.includes('mine:latest');
    });
  });
});
