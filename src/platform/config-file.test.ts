// Rules of reading configuration files. Never touches a file of this machine but its own.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ConfigFileError,
  findProjectConfig,
  parseConfigText,
  readConfigFile,
  userConfigPath,
} from './config-file.ts';

test('every key and list item has its line', () => {
  const file = parseConfigText(
    'c.yaml',
    '# head\nbus:\n  queue_size: 5\ngateway:\n  backends:\n    - http://a:1\n    - url: x\n',
  );
  assert.equal(file.lines.get('bus.queue_size'), 3);
  assert.equal(file.lines.get('gateway.backends[1].url'), 7);
});

test('an empty file is an empty configuration', () => {
  assert.deepEqual(parseConfigText('c.yaml', '# nothing\n').value, {});
});

test('broken files are refused with the line', () => {
  const cases: [string, RegExp][] = [
    ['a: [1\n', /c\.yaml:\d+: not valid YAML/],
    ['a: 1\na: 2\n', /c\.yaml:2: not valid YAML/],
    ['- a\n', /must hold keys/],
    ['just text\n', /must hold keys/],
  ];
  for (const [text, reason] of cases) {
    assert.throws(
      () => parseConfigText('c.yaml', text),
      error => error instanceof ConfigFileError && reason.test(error.message),
      text,
    );
  }
});

test('a file that cannot be read says why', () => {
  assert.throws(() => readConfigFile('/nowhere/at/all.yaml'), /cannot be read \(ENOENT\)/);
});

test('the project file is found from a folder below it', t => {
  const root = mkdtempSync(join(tmpdir(), 'bigo-config-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, '.bigo'));
  mkdirSync(join(root, 'a', 'b'), { recursive: true });
  writeFileSync(join(root, '.bigo', 'config.yaml'), '');
  assert.equal(findProjectConfig(join(root, 'a', 'b')), join(root, '.bigo', 'config.yaml'));
});

test('the user file follows XDG_CONFIG_HOME', () => {
  assert.equal(userConfigPath({ HOME: '/h' }), '/h/.config/bigo/config.yaml');
  assert.equal(userConfigPath({ HOME: '/h', XDG_CONFIG_HOME: '/x' }), '/x/bigo/config.yaml');
});
