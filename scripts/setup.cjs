// Makes a fresh clone ready: installs the locked packages (Node 24 is one of them) when they are missing or outdated.
// Old plain JavaScript, because it runs on whatever Node is there. Never prints to stdout, never runs package scripts.
'use strict';

const childProcess = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const nodeMajorMin = 24;
const lockPollMs = 200;
const lockWaitMsMax = 15 * 60 * 1000;
const outputBytesMax = 16 * 1024 * 1024;

const root = path.resolve(process.env.BIGO_SETUP_ROOT || path.join(__dirname, '..'));
const modules = path.join(root, 'node_modules');
const stampFile = path.join(modules, '.bigo-setup');
const lockFile = path.join(root, '.bigo', 'setup.lock');

function say(text) {
  process.stderr.write('bigo setup: ' + text + '\n');
}

function fail(lines) {
  lines.forEach(say);
  process.exit(1);
}

/** What the installed packages must have been made from; another platform's node_modules does not match. */
function wantedKey() {
  const hash = crypto.createHash('sha256');
  hash.update(fs.readFileSync(path.join(root, 'package-lock.json')));
  hash.update('\0' + process.platform + '\0' + process.arch);
  return hash.digest('hex');
}

/** The stamp has two lines: the key, and the Node that runs BigO. */
function isReady(key) {
  let lines;
  try {
    lines = fs.readFileSync(stampFile, 'utf8').split('\n');
  } catch {
    return false;
  }
  return lines[0] === key && lines[1] !== undefined && fs.existsSync(lines[1]);
}

function majorOf(node) {
  const run = childProcess.spawnSync(node, ['-p', 'process.versions.node'], {
    encoding: 'utf8',
    timeout: 20000,
  });
  return run.status === 0 ? parseInt(run.stdout, 10) : 0;
}

/** The locked Node first, then the one that runs this file. */
function findNode() {
  const locked = path.join(modules, '.bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (fs.existsSync(locked) && majorOf(locked) >= nodeMajorMin) return locked;
  return parseInt(process.versions.node, 10) >= nodeMajorMin ? process.execPath : undefined;
}

/** npm as it was started, or from PATH; never through node_modules/.bin, which is about to be replaced. */
function npmCommand() {
  const cli = process.env.npm_execpath;
  const node = process.env.npm_node_execpath;
  if (cli && node && cli.endsWith('npm-cli.js') && !node.startsWith(modules)) return [node, [cli]];
  return ['npm', []];
}

function pathWithoutModules() {
  const own = path.join(modules, '.bin');
  const parts = (process.env.PATH || '').split(path.delimiter);
  return parts.filter(part => path.resolve(part) !== own).join(path.delimiter);
}

function install() {
  const command = npmCommand();
  const flags = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--loglevel=error'];
  say(
    'installing the locked packages and Node ' +
      nodeMajorMin +
      ' into node_modules (npm ci); takes about half a minute',
  );
  const started = Date.now();
  const run = childProcess.spawnSync(command[0], command[1].concat(flags), {
    cwd: root,
    env: Object.assign({}, process.env, { PATH: pathWithoutModules() }),
    encoding: 'utf8',
    maxBuffer: outputBytesMax,
    shell: process.platform === 'win32' && command[0] === 'npm',
  });
  if (run.error || run.status !== 0) failInstall(run);
  say('installed in ' + Math.round((Date.now() - started) / 1000) + ' s');
}

function failInstall(run) {
  if (run.error && run.error.code === 'ENOENT') {
    fail(['npm is not on PATH. Install Node 20 or newer together with npm, then run this again.']);
  }
  const output = String(run.stdout || '') + String(run.stderr || '');
  fail(
    [
      '`npm ci` failed' +
        (run.error ? ': ' + run.error.message : ' with exit code ' + run.status) +
        '. It said:',
    ].concat(output.trim().split('\n').slice(-20), [
      'Nothing was started. Most often the package registry cannot be reached: `npm ping` tells.',
      'Behind a mirror: `npm config set registry <address>`. Then run the same command again; it goes on from here.',
    ]),
  );
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** The process that holds the lock, or 0 when nobody does any more. */
function lockHolder() {
  try {
    const pid = parseInt(fs.readFileSync(lockFile, 'utf8'), 10);
    return pid > 0 && isAlive(pid) ? pid : 0;
  } catch {
    return 0;
  }
}

/** Linked into place with its content, so nobody ever reads a lock without an owner. */
function tryLock() {
  const own = lockFile + '.' + process.pid;
  fs.mkdirSync(path.dirname(lockFile), { recursive: true });
  fs.writeFileSync(own, String(process.pid));
  try {
    fs.linkSync(own, lockFile);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    fs.unlinkSync(own);
  }
}

function sleep(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function takeLock() {
  const started = Date.now();
  let told = false;
  while (!tryLock()) {
    const holder = lockHolder();
    if (holder === 0) {
      fs.rmSync(lockFile, { force: true });
      continue;
    }
    if (Date.now() - started > lockWaitMsMax) {
      fail(['process ' + holder + ' has been setting up for too long. End it, then run this again.']);
    }
    if (!told) say('waiting for process ' + holder + ', which is setting up this folder');
    told = true;
    sleep(lockPollMs);
  }
  process.on('exit', () => fs.rmSync(lockFile, { force: true }));
}

function main() {
  const key = wantedKey();
  if (isReady(key)) return;
  takeLock();
  if (isReady(key)) return;
  install();
  const node = findNode();
  if (node === undefined) {
    fail([
      'there is no Node ' +
        nodeMajorMin +
        ' package for ' +
        process.platform +
        '-' +
        process.arch +
        ', or it does not run here.',
      'Install Node ' + nodeMajorMin + ' or newer yourself and put it first on PATH, then run this again.',
    ]);
  }
  fs.writeFileSync(stampFile, key + '\n' + node + '\n');
}

main();
