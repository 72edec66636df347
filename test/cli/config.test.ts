// Commands that only look at this machine: init, config, keys, doctor, version, completion, and wrong usage.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { aHome, type Home } from './bigo.ts';

function writeConfig(home: Home, text: string): string {
  mkdirSync(join(home.dir, '.bigo'), { recursive: true });
  const path = join(home.dir, '.bigo', 'config.yaml');
  writeFileSync(path, text);
  return path;
}

test('init writes a file that checks, and never overwrites one', async t => {
  const home = aHome(t);
  assert.equal((await home.run(['init'])).code, 0);
  assert.equal((await home.run(['config', 'check'])).code, 0);
  const again = await home.run(['init']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /exists already/);
});

test('config shows each value with the line, variable or file that it came from', async t => {
  const home = aHome(t);
  writeConfig(home, 'bus:\n  queue_size: 7\ngateway:\n  aliases: { small: "llama3.2:1b" }\n');
  mkdirSync(join(home.dir, '.config', 'bigo'), { recursive: true });
  writeFileSync(
    join(home.dir, '.config', 'bigo', 'config.yaml'),
    'bus: { queue_size: 5 }\nengine: { count: 3 }\n',
  );
  const env = { BIGO_GATEWAY_ADMIN_TOKEN: 'hush' };
  const { stdout } = await home.run(['config'], { env });
  assert.match(stdout, /bus\.queue_size +7 +~\/\.bigo\/config\.yaml:2/);
  assert.match(stdout, /engine\.count +3 +~\/\.config\/bigo\/config\.yaml:2/);
  assert.match(stdout, /gateway\.admin_token +"\(secret\)" +BIGO_GATEWAY_ADMIN_TOKEN/);
  assert.doesNotMatch(stdout, /hush|listen/);
  assert.match(
    (await home.run(['config', '--all'])).stdout,
    /gateway\.listen +"127\.0\.0\.1:11434" +default/,
  );
});

test('a mistake is told with file, line and suggestion, exit 64', async t => {
  const home = aHome(t);
  writeConfig(home, 'bus:\n  queue_sise: 7\ngateway:\n  listen: nowhere\n');
  const result = await home.run(['config', 'check']);
  assert.equal(result.code, 64);
  assert.match(
    result.stderr,
    /~\/\.bigo\/config\.yaml:2: bus\.queue_sise is not a key: did you mean queue_size\?/,
  );
  assert.match(result.stderr, /config\.yaml:4: gateway\.listen must be HOST:PORT.*, not "nowhere"/);
  const byFlag = await home.run(['gateway', '--config', '/dev/null', '--backend', 'http://a:1,slots=0']);
  assert.equal(byFlag.code, 64);
  assert.match(byFlag.stderr, /--backend: gateway\.backends\[0\] is not a backend: slots must be/);
});

test('the redis bus is refused by name', async t => {
  const home = aHome(t);
  writeConfig(home, 'bus: { type: redis, endpoint: "redis://redis.bigo.svc:6379", queue_size: 1000 }\n');
  const result = await home.run(['config', 'check']);
  assert.equal(result.code, 64);
  assert.match(result.stderr, /not built yet/);
});

test('a key is shown once, kept as a hash, listed without it, and revoked; comments stay', async t => {
  const home = aHome(t);
  const file = join(home.dir, 'keys.yaml');
  writeFileSync(file, '# our keys\nkeys: []\n');
  const made = await home.run([
    'keys',
    'create',
    'ci',
    '--role',
    'admin',
    '--models',
    'llama3.2:1b',
    '--keys',
    file,
  ]);
  assert.equal(made.code, 0);
  const key = made.stdout.trim();
  const text = readFileSync(file, 'utf8');
  assert.match(text, /^# our keys\n[^]*sha256:[0-9a-f]{64}/);
  assert.ok(!text.includes(key));
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await home.run(['keys', 'create', 'ci', '--keys', file])).code, 1);
  assert.match((await home.run(['keys', 'list', '--keys', file])).stdout, /ci +admin +normal +llama3\.2:1b/);
  assert.equal((await home.run(['keys', 'revoke', 'ci', '--keys', file])).code, 0);
  assert.equal((await home.run(['keys', 'revoke', 'ci', '--keys', file])).code, 1);
  assert.equal((await home.run(['keys', 'create', 'a b', '--keys', file])).code, 64);
});

test('keys without a file is a usage error', async t => {
  assert.equal((await aHome(t).run(['keys', 'list'])).code, 64);
});

test('doctor names what is wrong and what to do, and is 1 only when something is broken', async t => {
  const home = aHome(t);
  const fine = await home.run(['doctor'], {
    env: { BIGO_GATEWAY_LISTEN: '127.0.0.1:0', BIGO_GATEWAY_ADMIN: '127.0.0.1:0' },
  });
  assert.equal(fine.code, 0, fine.stdout);
  const server = createServer();
  t.after(() => server.close());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const env = {
    BIGO_GATEWAY_LISTEN: `127.0.0.1:${port}`,
    BIGO_GATEWAY_BACKENDS: 'http://127.0.0.1:1,name=gone',
  };
  const broken = await home.run(['doctor', '--json'], { env });
  assert.equal(broken.code, 1);
  const { findings } = JSON.parse(broken.stdout) as {
    findings: { what: string; result: string; next?: string }[];
  };
  const failed = findings.filter(finding => finding.result === 'fail');
  assert.deepEqual(failed.map(finding => finding.what).sort(), ['backend gone', 'listen']);
  assert.ok(failed.every(finding => (finding.next ?? '') !== ''));
});

test('version says version, commit, Node, and what it speaks', async t => {
  const home = aHome(t);
  assert.match(
    (await home.run(['version'])).stdout,
    /^bigo \d+\.\d+\.\d+ \(commit \w+, Node \d+\.\d+\.\d+, \w+-\w+\)\nresource \S+\/v\w+, admin API \S+, tested with Ollama \S+\n$/,
  );
  assert.match((await home.run(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('every command explains itself with an example', async t => {
  const home = aHome(t);
  for (const { name, isHidden } of COMMANDS) {
    if (isHidden === true) continue;
    const result = await home.run([name, '--help']);
    assert.equal(result.code, 0, name);
    assert.match(result.stdout, /Examples?:\n  \$ /, name);
  }
});

test('wrong usage is 64 with a suggestion, and stdout stays empty', async t => {
  const home = aHome(t);
  const cases: [string[], RegExp][] = [
    [['statsu'], /Did you mean status\?\)\nSee `bigo --help`/],
    [['gateway', '--backnd', 'x'], /Did you mean --backend/],
    [['run', '-t', 'huge', 'x'], /Allowed choices are fast, default, reasoning/],
    [['pull'], /missing required argument.*\nSee `bigo pull --help`/],
    [['completion', 'tcsh'], /Allowed choices/],
  ];
  for (const [args, expected] of cases) {
    const result = await home.run(args);
    assert.equal(result.code, 64, args.join(' '));
    assert.equal(result.stdout, '');
    assert.match(result.stderr, expected);
  }
});

test('NO_COLOR and pipes get no escape codes, FORCE_COLOR does', async t => {
  const home = aHome(t);
  assert.doesNotMatch((await home.run(['config', '--all'])).stdout, /\u001b/);
  assert.match((await home.run(['config', '--all'], { env: { FORCE_COLOR: '1' } })).stdout, /\u001b\[1m/);
  assert.doesNotMatch(
    (await home.run(['config', '--all'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout,
    /\u001b/,
  );
});

test('the completion scripts know every command and its flags', async t => {
  const home = aHome(t);
  const bash = await home.run(['completion', 'bash']);
  const script = `${bash.stdout}\nCOMP_WORDS=(bigo health --deg) COMP_CWORD=2; _bigo; echo "\${COMPREPLY[@]}"`;
  assert.equal(spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout, '--degraded-ms\n');
  for (const shell of ['zsh', 'fish']) {
    const { stdout } = await home.run(['completion', shell]);
    for (const { name, isHidden } of COMMANDS)
      if (isHidden !== true) assert.match(stdout, new RegExp(`\\b${name}\\b`));
  }
});
