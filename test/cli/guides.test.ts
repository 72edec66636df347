// What the guides print, all of it accounted for; and their commands that need no cluster, typed as they are printed: with a real Ollama
// behind a gateway, the release installed as the systemd unit wants it, the gateway of the Compose file. Never starts a container.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { bundle, stampOf } from '../../scripts/build/bundle.ts';
import { startGatewayProcess, type GatewayProcess } from '../contract/gateway-process.ts';
import { startFakeOllama, type FakeOllama } from '../fakes/ollama/server.ts';
import { find, skipUnless } from '../tools/parts.ts';
import { startOllama, type RealOllama } from '../tools/real-ollama.ts';
import { tinyGguf } from '../tools/tiny-gguf.ts';
import { aHome } from './bigo.ts';
import { guideCommands, reasons, type GuideCommand } from './guides/commands.ts';
import { Follower } from './guides/follow.ts';
import { guides, printedBlock, printedCommands, textOf, type Guide } from './guides/printed.ts';
import { PushRegistry } from './guides/push-registry.ts';

const root = path.join(import.meta.dirname, '..', '..');
const commandMsMax = 60_000;
/** A whole page of programs that are started one after another. */
const allMsMax = 600_000;
const all = guides.flatMap(guide => guideCommands[guide].map(step => ({ guide, ...step })));
const onMachine = (guide: Guide): readonly GuideCommand[] =>
  guideCommands[guide].filter(({ on }) => on === 'machine');

describe('the list of what becomes of the guides’ commands', () => {
  for (const guide of guides) {
    it(`has each command of ${guide} once, and no other`, () => {
      const listed = guideCommands[guide].map(({ command }) => command);
      assert.deepEqual(listed.toSorted(), printedCommands(guide).toSorted());
    });
  }

  it('says of each where it is run, or why it is not', t => {
    for (const { guide, command, on, by, notRun } of all) {
      const told = [on, by, notRun].filter(one => one !== undefined);
      assert.equal(told.length, 1, `${guide}: ${command}`);
      if (by !== undefined) assert.ok(existsSync(path.join(root, by)), `${by} is there`);
    }
    const count = (is: (step: GuideCommand) => boolean): number => all.filter(is).length;
    t.diagnostic(
      `${all.length} commands: ${count(one => one.on !== undefined)} run here, ${count(one => one.by !== undefined)} by other tests, ${count(one => one.notRun !== undefined)} not`,
    );
  });

  it('names each reason, and people can read which commands were not run', async () => {
    const used = new Set(all.map(({ notRun }) => notRun).filter(one => one !== undefined));
    assert.deepEqual([...used].toSorted(), reasons.toSorted());
    const page = await readFile(path.join(root, 'docs/guides/README.md'), 'utf8');
    for (const { command, notRun } of all) {
      if (notRun !== undefined)
        assert.ok(page.includes(`\`${command}\``), `docs/guides/README.md: ${command}`);
    }
  });
});

/** In this order: a later one goes on with what an earlier one made. */
const withOllama = [
  'docs/guides/air-gapped.md',
  'docs/guides/sizing.md',
  'docs/guides/gpu-cluster.md',
  'docs/guides/gpu-time-slicing.md',
  'docs/guides/security.md',
  'docs/guides/upgrade-and-rollback.md',
] as const satisfies readonly Guide[];

describe(
  'guides on a machine with a real Ollama',
  { skip: await skipUnless('ollama'), timeout: allMsMax },
  () => {
    let folder = '';
    let registry: PushRegistry;
    let ollama: RealOllama;
    let gateway: GatewayProcess;
    let person: Follower;
    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'bigo-guides-'));
      registry = await PushRegistry.start(folder);
      const { certificateFile } = registry;
      ollama = await startOllama({ certificateFile });
      const gguf = tinyGguf({ contextLength: 2048 });
      await writeFile(path.join(folder, 'model.gguf'), gguf);
      for (const name of ['llama3.2:1b', 'qwen3:8b']) await ollama.createModel(name, { gguf });
      gateway = await startGatewayProcess([ollama.url]);
      const env = { OLLAMA_HOST: gateway.url, BIGO_URL: gateway.url, BIGO_ADMIN: gateway.admin };
      const here = { 'registry.internal': registry.host, 'http://127.0.0.1:11434': ollama.url };
      person = await Follower.at({ folder, env, standIns: here });
      await person.program('ollama', `exec "${ollama.binary}" "$@"`);
    });
    after(async () => {
      await person?.stop();
      await gateway?.stop();
      await ollama?.stop();
      await registry?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    for (const guide of withOllama) {
      for (const step of onMachine(guide)) {
        it(`${guide}: ${step.command}`, async () => {
          await person.follow(step);
        });
      }
    }

    it('what was pushed is in the registry, whole', () => {
      const manifest = registry.manifests.get('library/llama3.2/1b');
      assert.ok(manifest !== undefined, [...registry.manifests.keys()].join());
      const { layers } = JSON.parse(manifest.toString()) as { layers: { digest: string; size: number }[] };
      for (const { digest, size } of layers) assert.equal(registry.blobs.get(digest)?.length, size);
    });
  },
);

async function twoFakes(t: TestContext): Promise<readonly FakeOllama[]> {
  const wish = { models: [], registry: [{ name: 'llama3.2:1b' }], tokenMs: 1, loadMs: 1, pullMs: 1 };
  const fakes = [await startFakeOllama(wish), await startFakeOllama(wish)];
  for (const fake of fakes) t.after(() => fake.stop());
  return fakes;
}

async function aFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bigo-guide-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const unitLine = (unit: string, name: string): string =>
  new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? assert.fail(`the unit has no ${name}`);

test(
  'the guide of systemd: the release as one file, under the unit’s own command lines',
  { timeout: allMsMax },
  async t => {
    const folder = await aFolder(t);
    const [one, two] = await twoFakes(t);
    await bundle(path.join(folder, 'dist'), await stampOf());
    await cp(path.join(root, 'deploy'), path.join(folder, 'deploy'), { recursive: true });
    for (const made of ['etc/systemd/system', 'var/lib/bigo'])
      await mkdir(path.join(folder, made), { recursive: true });
    const gatewayUrl = await startFakeOllama({});
    t.after(() => gatewayUrl.stop());
    const person = await Follower.at({
      folder,
      standIns: {
        '/opt/bigo': `${folder}/opt/bigo`,
        '/etc/': `${folder}/etc/`,
        '/var/lib/bigo': `${folder}/var/lib/bigo`,
        '/usr/local/bin/node': process.execPath,
        '0.0.0.0:11434': '127.0.0.1:0',
        'http://127.0.0.1:11435': one?.url ?? '',
        'http://gpu-2:11434': two?.url ?? '',
        'bigo manager --gateway http://127.0.0.1:11434': `bigo manager --gateway ${gatewayUrl.url} --listen 127.0.0.1:0`,
      },
    });
    t.after(() => person.stop());
    await person.program('node', `exec "${process.execPath}" "$@"`);
    let key = '';
    for (const step of onMachine('deploy/systemd/README.md')) {
      const printed = await person.follow(step);
      key = /bigo-[\w-]{40,}/.exec(printed)?.[0] ?? key;
      if (step.command.startsWith('mkdir')) {
        const config = person.typed(printedBlock('deploy/systemd/README.md', 'yaml'));
        await writeFile(path.join(folder, 'etc/bigo/config.yaml'), config);
      }
    }
    const unitFile = path.join(folder, 'etc/systemd/system/bigo.service');
    const unit = await readFile(unitFile, 'utf8');
    await writeFile(unitFile, person.typed(unit));
    verified(t, unitFile);

    const env = { ...process.env, HOME: folder, XDG_STATE_HOME: folder, BIGO_GATEWAY_ADMIN: '127.0.0.1:0' };
    const checked = spawnSync('sh', ['-c', person.typed(unitLine(unit, 'ExecStartPre'))], {
      env,
      timeout: commandMsMax,
    });
    assert.equal(checked.status, 0, `${String(checked.stdout)}${String(checked.stderr)}`);
    const started = await person.follow({
      command: `env XDG_STATE_HOME=${folder} BIGO_GATEWAY_ADMIN=127.0.0.1:0 ${unitLine(unit, 'ExecStart')}`,
      expect: '"event":"ready".*\\n',
      watch: true,
    });
    const [line = ''] = /^\{"event":"ready".*$/m.exec(started) ?? [];
    const { url } = JSON.parse(line) as { url: string };
    const ask = (headers: Record<string, string>): Promise<Response> => fetch(`${url}/api/tags`, { headers });
    assert.equal((await ask({})).status, 401);
    assert.equal((await ask({ authorization: `Bearer ${key}` })).status, 200);
  },
);

/** Where systemd is at hand it judges the unit; its words are read by test/golden in any case. */
function verified(t: TestContext, unitFile: string): void {
  const run = spawnSync('systemd-analyze', ['verify', unitFile], { encoding: 'utf8', timeout: commandMsMax });
  if (run.error !== undefined) return t.diagnostic('no systemd-analyze here');
  const about = run.stderr.split('\n').filter(line => line.includes('bigo.service'));
  assert.deepEqual(about, []);
}

interface Compose {
  readonly services: Readonly<Record<string, { readonly command?: readonly string[] }>>;
}

test('the guide of Compose: its commands, around the gateway of its file', { timeout: allMsMax }, async t => {
  const folder = await aFolder(t);
  const [one, two] = await twoFakes(t);
  const compose = path.join(folder, 'deploy', 'compose');
  await cp(path.join(root, 'deploy', 'compose'), compose, { recursive: true });
  await rm(path.join(compose, 'keys.yaml'), { force: true });
  await mkdir(path.join(folder, 'bin'));
  const meanings: Record<string, string> = {};
  const person = await Follower.at({ folder, standIns: meanings });
  t.after(() => person.stop());
  await cp(path.join(folder, 'programs', 'bigo'), path.join(folder, 'bin', 'bigo'));
  await chmod(path.join(folder, 'bin', 'bigo'), 0o755);

  for (const step of guideCommands['deploy/compose/README.md']) {
    if (step.command === 'docker compose up -d --build') {
      const { services } = parse(await readFile(path.join(compose, 'compose.yaml'), 'utf8'), {
        merge: true,
      }) as Compose;
      const token = (await readFile(path.join(compose, '.env'), 'utf8')).trim().split('=')[1] ?? '';
      const args = (services['gateway']?.command ?? []).map(word =>
        word
          .replace(/0\.0\.0\.0:\d+/, '127.0.0.1:0')
          .replace('/etc/bigo/keys.yaml', path.join(compose, 'keys.yaml'))
          .replace('http://ollama-1:11434', one?.url ?? '')
          .replace('http://ollama-2:11434', two?.url ?? ''),
      );
      const env = { BIGO_GATEWAY_ADMIN_TOKEN: token, BIGO_GATEWAY_HOSTS: 'gateway' };
      const { url } = await aHome(t).start(args, { env, timeMsMax: allMsMax }).ready();
      meanings['http://127.0.0.1:11434'] = url;
    }
    if (step.on !== 'machine') continue;
    const printed = await person.follow(step);
    const [key] = /bigo-[\w-]{40,}/.exec(printed) ?? [];
    if (key !== undefined) meanings['THE-KEY'] ??= key;
  }
  for (const fake of [one, two]) {
    const { models } = (await (await fetch(`${fake?.url}/api/tags`)).json()) as {
      models: { name: string }[];
    };
    assert.deepEqual(
      models.map(({ name }) => name),
      ['llama3.2:1b'],
    );
  }
});

const noSchema = await skipUnless('compose-schema', 'checkov');

test('compose.yaml fits the Compose schema, and a wrong one does not', { skip: noSchema }, async t => {
  const folder = await aFolder(t);
  const schema = path.join((await find('compose-schema')) ?? '', 'compose-spec.json');
  const python = path.join(path.dirname((await find('checkov')) ?? ''), 'python');
  const judge =
    'import json, sys, jsonschema; jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))';
  const fits = async (value: unknown): Promise<string> => {
    const file = path.join(folder, 'compose.json');
    await writeFile(file, JSON.stringify(value));
    try {
      execFileSync(python, ['-c', judge, file, schema], { timeout: commandMsMax, stdio: 'pipe' });
      return '';
    } catch (error) {
      return String((error as { stderr?: Buffer }).stderr);
    }
  };
  const text = await readFile(path.join(root, 'deploy/compose/compose.yaml'), 'utf8');
  const compose = parse(text, { merge: true }) as Compose;
  assert.equal(await fits(compose), '');
  const wrong = { ...compose, services: { gateway: { ...compose.services['gateway'], comand: ['a'] } } };
  assert.match(await fits(wrong), /comand/);
});

test('the guides say nothing of a command that a shell would not take', () => {
  for (const guide of guides) {
    for (const command of printedCommands(guide)) {
      const run = spawnSync('sh', ['-n', '-c', command], { encoding: 'utf8', timeout: commandMsMax });
      assert.equal(run.status, 0, `${guide}: ${command}\n${run.stderr}`);
    }
    assert.ok(textOf(guide).startsWith('# '), guide);
  }
});
