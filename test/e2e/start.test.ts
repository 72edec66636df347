// The first hour of a new user: clone, `npm start`, three dialects, both engines, an engine that dies, the end.
// Everything is real: npm, the embedded engine, the model. Never judges more of an answer than that Paris is in it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipUnless } from '../tools/parts.ts';
import { until } from '../tools/until.ts';
import { freshClone, isCheckout, type FreshClone, type Program } from './fresh-clone.ts';

const model = 'smollm2:135m';

async function skipReason(): Promise<string | false> {
  if (process.platform !== 'linux') return 'only on linux: processes are found in /proc';
  if (!isCheckout()) return 'only on a git checkout: the story begins with git clone';
  const somebody = await fetch('http://127.0.0.1:11434/').catch(() => undefined);
  if (somebody !== undefined) return 'only on a machine where nothing listens on port 11434 yet';
  return skipUnless('smollm2', 'llama');
}

interface Fleet {
  readonly backends: readonly {
    readonly name: string;
    readonly url: string;
    readonly state: string;
    readonly loaded: readonly unknown[];
  }[];
  readonly requests: readonly { readonly backend: string; readonly reason: string; readonly code: number }[];
}

interface Opened {
  readonly status: number;
  readonly backend: string;
  readonly text: Promise<string>;
}

/** Resolves with the first byte of the answer. */
async function ask(url: string, route: string, body: object): Promise<Opened> {
  const answer = await fetch(url + route, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, ...body }),
  });
  return {
    status: answer.status,
    backend: answer.headers.get('x-bigo-backend') ?? '',
    text: answer.text(),
  };
}

const user = (content: string) => ({ messages: [{ role: 'user', content }] });

interface Chunk {
  readonly message?: { readonly content: string };
  readonly choices?: readonly { readonly delta: { readonly content?: string } }[];
  readonly delta?: { readonly text?: string };
}

/** The text of a stream in any of the three dialects, and how many pieces it came in. */
function answerOf(stream: string): { readonly text: string; readonly pieces: number } {
  const lines = stream.split('\n').map(line => line.replace(/^data: /, ''));
  const chunks = lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Chunk);
  const pieces = chunks
    .map(chunk => chunk.message?.content ?? chunk.choices?.[0]?.delta.content ?? chunk.delta?.text ?? '')
    .filter(piece => piece !== '');
  return { text: pieces.join(''), pieces: pieces.length };
}

describe('a person with a fresh clone', { skip: await skipReason() }, () => {
  let clone: FreshClone;
  let started: Program;
  let url = '';
  before(async () => {
    clone = await freshClone();
  });
  after(() => clone.remove());

  async function status(): Promise<Fleet> {
    const answer = await clone.run('bin/bigo', ['status', '--json']);
    assert.equal(answer.code, 0, answer.stderr);
    return JSON.parse(answer.stdout) as Fleet;
  }

  const log = (): string => started.stderr;

  async function pidOf(name: string): Promise<number> {
    const backend = (await status()).backends.find(one => one.name === name);
    const address = new URL(backend?.url ?? '').host;
    const found = [...(await clone.processes())].find(([, line]) => line.includes(`--listen ${address} `));
    assert.ok(found !== undefined, `${name} at ${address} has no process`);
    return found[0];
  }

  test('npm start -- --help sets up what is missing, and exits 0', async () => {
    const help = await clone.run('npm', ['start', '--', '--help']);
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /Usage: bigo up/);
    assert.match(help.stderr, /installing the locked packages and Node 24/);
    const again = await clone.run('npm', ['start', '--', '--help']);
    assert.doesNotMatch(again.stderr, /installing/);
  });

  test('npm start says which engine and model it took and why, and where it serves', async () => {
    started = clone.start('npm', ['start']);
    const ready = await started.ready();
    assert.match(ready.admin, /^http:\/\/127\.0\.0\.1:\d+$/);
    url = ready.url;
    await until('the commands to try', async () => started.stderr.includes('bigo status'), log);
    assert.match(started.stderr, /There is no `ollama` program on PATH\.\nUsing the embedded engine\./);
    assert.match(started.stderr, new RegExp(`^Model ${model} from .+`, 'm'));
    const { backends } = await status();
    assert.deepEqual(
      backends.map(backend => `${backend.name} ${backend.state}`),
      ['engine-1 up', 'engine-2 up'],
    );
  });

  test('the three commands it prints stream an answer with Paris in it', async () => {
    const commands = started.stderr.match(/(?<=^ *)curl .+$/gm) ?? [];
    assert.equal(commands.length, 3);
    for (const command of commands) {
      const answer = await clone.run('sh', ['-c', command.replace(/^curl/, 'curl -sS --fail-with-body')]);
      assert.equal(answer.code, 0, command + answer.stdout + answer.stderr);
      const { text, pieces } = answerOf(answer.stdout);
      assert.match(text, /Paris/, command);
      assert.ok(pieces > 3, `${command} came in ${pieces} pieces`);
    }
  });

  test('requests at the same time use both engines, and status tells why each went where', async () => {
    const options = { num_predict: 80 };
    const many = Array.from({ length: 8 }, (_, index) =>
      ask(url, '/api/chat', { ...user(`Tell me a long story about ${index} boats.`), options }),
    );
    const answers = await Promise.all(many);
    for (const answer of answers) assert.match(await answer.text, /"done":true/);
    assert.deepEqual([...new Set(answers.map(answer => answer.backend))].toSorted(), [
      'engine-1',
      'engine-2',
    ]);
    const { requests } = await status();
    for (const request of requests) assert.match(request.reason, /^[a-z_]+$/);
    const shown = await clone.run('bin/bigo', ['status']);
    assert.match(shown.stdout, /^engine-1 +up .*\nengine-2 +up /m);
    assert.match(shown.stdout, /engine-\d +(warm_free|warm_waited|hot_copy|cold_free)/);
  });

  test('an engine that dies mid-stream costs only its own stream, and comes back', async () => {
    const story = user('Tell me a very long story about the sea.');
    const [native, anthropic] = await Promise.all([
      ask(url, '/api/chat', { ...story, options: { num_predict: 400 } }),
      ask(url, '/v1/messages', { ...story, max_tokens: 100, stream: true }),
    ]);
    assert.notEqual(native.backend, anthropic.backend);
    const pid = await pidOf(native.backend);
    process.kill(pid, 'SIGKILL');
    const last = (await native.text).trimEnd().split('\n').at(-1) ?? '';
    assert.match((JSON.parse(last) as { error: string }).error, new RegExp(native.backend));
    assert.match(await anthropic.text, /event: message_stop/);
    const next = await ask(url, '/api/chat', { ...user('Hello!'), options: { num_predict: 5 } });
    assert.match(await next.text, /"done":true/);
    // The gateway may still say of the old process that it is up.
    const isAnother = async () => (await pidOf(native.backend).catch(() => pid)) !== pid;
    const areUp = async () => (await status()).backends.every(one => one.state === 'up');
    await until('the engine is back', async () => (await isAnother()) && (await areUp()), log);
  });

  test('SIGTERM lets streams finish, exits 0 and leaves no process', async () => {
    const open = await ask(url, '/v1/chat/completions', {
      ...user('Tell me a long story about a hill.'),
      stream: true,
      max_tokens: 60,
    });
    started.child.kill('SIGTERM');
    assert.match(await open.text, /data: \[DONE\]\s*$/);
    const { code } = await started.ended;
    assert.equal(code, 0);
    await until('every process has ended', async () => (await clone.processes()).size === 0, log);
    await assert.rejects(fetch(url));
  });
});
