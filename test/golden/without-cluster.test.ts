// What is shipped for people without a cluster, compose.yaml and the systemd unit, against the program and its release. Never starts one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { commandProblem, unknownCommands } from '../../scripts/check/doc-commands.ts';
import { IMAGE_REPOSITORY, TESTED_OLLAMA_TAG } from '../../src/api/operator-settings.ts';
import { CONFIG_KEYS } from '../../src/api/config-keys.ts';
import { parseDurationMs } from '../../src/api/quantities.ts';
import type { App } from '../../src/cli/app.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { variableKeys } from '../../src/cli/core/env-layer.ts';
import { buildProgram } from '../../src/cli/program.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const program = (): Promise<Command> => buildProgram({ env: {}, cwd: '.' } as App, COMMANDS);
const { version } = JSON.parse(read('package.json')) as { version: string };

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly stop_grace_period?: string;
  readonly healthcheck?: { readonly test: readonly unknown[] };
}
const composeText = read('deploy/compose/compose.yaml');
const compose = parse(composeText, { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const service = (name: string): Service => {
  const found = compose.services[name];
  assert.ok(found, name);
  return found;
};
const ours = services.filter(([, { image }]) => image.includes('BIGO_IMAGE'));
const flagOf = ({ command = [] }: Service, flag: string): string[] =>
  command.filter(word => word.startsWith(`${flag}=`)).map(word => word.slice(flag.length + 1));

test('compose: gateway, manager and two Ollamas, of the versions that belong together', () => {
  assert.deepEqual(
    ours.map(([name]) => name),
    ['gateway', 'manager'],
  );
  for (const [, { image }] of ours) assert.equal(image, `\${BIGO_IMAGE:-${IMAGE_REPOSITORY}:${version}}`);
  for (const name of ['ollama-1', 'ollama-2'])
    assert.equal(service(name).image, `ollama/ollama:\${OLLAMA_TAG:-${TESTED_OLLAMA_TAG}}`);
});

test('compose: each command line is one that the program takes', async () => {
  const known = await program();
  for (const [name, { command = [] }] of ours) assert.equal(commandProblem(command, known), undefined, name);
});

test('compose: variables of ours are configuration keys, and none is needed without a word about it', () => {
  const keys = variableKeys(CONFIG_KEYS);
  const other = new Set(['BIGO_ADMIN_TOKEN']);
  for (const [, { environment = {} }] of ours)
    for (const name of Object.keys(environment)) assert.ok(keys.has(name) || other.has(name), name);
  for (const [whole] of composeText.matchAll(/\$\{[^}]+\}/g)) assert.match(whole, /:-|:\?/);
});

test('compose: only this machine reaches it, and nothing but gateway and page is published', () => {
  const published = services.flatMap(([name, { ports = [] }]) => ports.map(port => `${name} ${port}`));
  assert.deepEqual(published, [
    'gateway ${BIGO_LISTEN:-127.0.0.1}:11434:11434',
    'manager 127.0.0.1:8080:8080',
  ]);
  assert.ok(flagOf(service('gateway'), '--keys').length === 1);
});

test('compose: the gateway keeps as many requests on a server as the server answers at a time', () => {
  const backends = flagOf(service('gateway'), '--backend').map(text => text.split(','));
  const names = services.map(([name]) => name).filter(name => name.startsWith('ollama-'));
  assert.deepEqual(
    backends.map(([url]) => url),
    names.map(name => `http://${name}:11434`),
  );
  for (const name of names) {
    const slots = `slots=${service(name).environment?.['OLLAMA_NUM_PARALLEL']}`;
    assert.ok(backends.some(parts => parts.includes(`name=${name}`) && parts.includes(slots)));
  }
});

test('compose: whatever serves is asked whether it does, by words alone', () => {
  for (const [name, { healthcheck }] of services.filter(([name]) => name !== 'folders')) {
    assert.ok((healthcheck?.test.length ?? 0) > 1, name);
    for (const word of healthcheck?.test ?? []) assert.equal(typeof word, 'string', name);
  }
});

test('compose: the gateway knows the name by which the manager calls it', () => {
  const [given = ''] = flagOf(service('manager'), '--gateway');
  const [url = '', admin = ''] = given.split(',');
  const known = /:-([^}]+)\}/.exec(service('gateway').environment?.['BIGO_GATEWAY_HOSTS'] ?? '')?.[1];
  for (const address of [url, admin.replace('admin=', '')])
    assert.equal(new URL(address).hostname, known);
});

test('compose: names lead somewhere, and the end waits for running answers', () => {
  for (const [, { depends_on = {}, volumes = [] }] of services) {
    for (const name of Object.keys(depends_on)) assert.ok(compose.services[name], name);
    const named = volumes.map(volume => volume.split(':')[0] ?? '').filter(name => !name.startsWith('.'));
    for (const name of named) assert.ok(Object.hasOwn(compose.volumes, name), name);
  }
  const [drainMs] = flagOf(service('gateway'), '--drain-timeout-ms').map(Number);
  assert.ok((parseDurationMs(service('gateway').stop_grace_period ?? '') ?? 0) > 2 * (drainMs ?? Infinity));
});

const unit = read('deploy/systemd/bigo.service');
const settings = (name: string): string[] =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(match => match[1] ?? '');

test('systemd: both command lines are ones that the program takes', async () => {
  const known = await program();
  for (const line of [...settings('ExecStartPre'), ...settings('ExecStart')]) {
    const words = line.slice(line.indexOf('/opt/bigo/bigo.mjs ')).split(' ').slice(1);
    assert.ok(words.length > 1);
    assert.equal(commandProblem(words, known), undefined, line);
  }
});

test('systemd: it may end later than the last answer, and may not do more than serve', () => {
  const drain = CONFIG_KEYS.find(({ path: key }) => key.endsWith('.drain_max'))?.fallback;
  assert.ok(Number(settings('TimeoutStopSec')[0]) * 1000 > 2 * (parseDurationMs(String(drain)) ?? Infinity));
  for (const name of ['DynamicUser', 'NoNewPrivileges', 'ProtectHome', 'PrivateDevices'])
    assert.deepEqual(settings(name), ['yes'], name);
  assert.deepEqual(settings('ProtectSystem'), ['strict']);
  assert.deepEqual(settings('CapabilityBoundingSet'), ['']);
  // Node compiles while it runs.
  assert.deepEqual(settings('MemoryDenyWriteExecute'), []);
});

test('a document that prints a command or option that is not there is named', async () => {
  const text = [
    '```sh',
    'bin/bigo status --json | jq .',
    'BIGO_URL=http://x:1 bigo pul llama3.2:1b',
    'bigo keys create me --rol admin \\',
    '  --keys keys.yaml',
    '```',
    'and `bigo size MODEL --contex 4096`, but `bigo COMMAND --help` is fine.',
  ].join('\n');
  assert.deepEqual(unknownCommands([{ path: 'a.md', text }], await program()), [
    'a.md prints `bigo pul llama3.2:1b`: there is no command pul',
    'a.md prints `bigo keys create me --rol admin  --keys keys.yaml`: it has no option --rol',
    'a.md prints `bigo size MODEL --contex 4096`: it has no option --contex',
  ]);
});
