// Makes a fresh clone ready: installs the locked packages (Node 24 is one of them) and builds the web page when either is outdated.
// Old plain JavaScript, because it runs on whatever Node is there. Never prints to stdout, never runs package scripts.
'use strict';

const childProcess = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const nodeMajorMin = 24;
const lockPollMs = 200;
const lockWaitMsMax = 15 * 60 * 1000;
const buildMsMax = 5 * 60 * 1000;
const outputBytesMax = 16 * 1024 * 1024;

const root = path.resolve(process.env.BIGO_SETUP_ROOT || path.join(__dirname, '..'));
const modules = path.join(root, 'node_modules');
const stampFile = path.join(modules, '.bigo-setup');
const lockFile = path.join(root, '.bigo', 'setup.lock');
const ui = path.join(root, 'ui');
const pageStamp = path.join(ui, 'node_modules', '.bigo-page');

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

function npmCi(folder) {
  const command = npmCommand();
  const flags = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--loglevel=error'];
  return childProcess.spawnSync(command[0], command[1].concat(flags), {
    cwd: folder,
    env: Object.assign({}, process.env, { PATH: pathWithoutModules() }),
    encoding: 'utf8',
    maxBuffer: outputBytesMax,
    shell: process.platform === 'win32' && command[0] === 'npm',
  });
}

function install() {
  say(
    'installing the locked packages and Node ' +
      nodeMajorMin +
      ' into node_modules (npm ci); takes about half a minute',
  );
  const started = Date.now();
  const run = npmCi(root);
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

let holdsLock = false;

function takeLock() {
  if (holdsLock) return;
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
  holdsLock = true;
  process.on('exit', () => fs.rmSync(lockFile, { force: true }));
}

function filesUnder(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(name) : [name];
  });
}

/** What the built page must have been made from: its own files, its packages, and the words it shares with the gateway. */
function pageKey() {
  const hash = crypto.createHash('sha256');
  const own = ['package-lock.json', 'index.html', 'vite.config.js'].map(name => path.join(ui, name));
  const shared = path.join(root, 'src', 'api', 'reasons.ts');
  const files = own.concat(filesUnder(path.join(ui, 'src')), filesUnder(path.join(ui, 'public')), shared);
  for (const file of files.sort((a, b) => (a < b ? -1 : 1))) {
    hash.update('\0' + path.relative(root, file) + '\0');
    hash.update(fs.readFileSync(file));
  }
  return hash.digest('hex');
}

function isPageReady(key) {
  try {
    return fs.readFileSync(pageStamp, 'utf8') === key && fs.existsSync(path.join(ui, 'dist', 'index.html'));
  } catch {
    return false;
  }
}

/** A page that cannot be built keeps nobody from a gateway: it is told, and tried again at the next start. */
function preparePage(key, node) {
  say('building the web page (once)');
  const started = Date.now();
  const lock = path.join(ui, 'package-lock.json');
  const have = path.join(ui, 'node_modules', '.bigo-lock');
  const isInstalled = fs.existsSync(have) && fs.readFileSync(have, 'utf8') === fs.readFileSync(lock, 'utf8');
  const run = isInstalled ? { status: 0 } : npmCi(ui);
  if (!run.error && run.status === 0) {
    fs.copyFileSync(lock, have);
    const vite = path.join(ui, 'node_modules', 'vite', 'bin', 'vite.js');
    const build = childProcess.spawnSync(node, [vite, 'build', '--logLevel', 'error'], {
      cwd: ui,
      encoding: 'utf8',
      maxBuffer: outputBytesMax,
      timeout: buildMsMax,
    });
    if (!build.error && build.status === 0) {
      fs.writeFileSync(pageStamp, key);
      say('built in ' + Math.round((Date.now() - started) / 1000) + ' s');
      return;
    }
    sayPageFailed(build);
    return;
  }
  sayPageFailed(run);
}

function sayPageFailed(run) {
  const output = String(run.stderr || '') + String(run.stdout || '');
  const said = run.error ? run.error.message : output.trim().split('\n').slice(-3).join(' ');
  say('the web page could not be built; everything else works without it. It said: ' + said);
}

function main() {
  setUpPackages();
  if (!fs.existsSync(path.join(ui, 'package-lock.json')) || process.env.BIGO_SETUP_PAGE === 'no') return;
  const key = pageKey();
  if (isPageReady(key)) return;
  takeLock();
  if (isPageReady(key)) return;
  preparePage(key, fs.readFileSync(stampFile, 'utf8').split('\n')[1]);
}

function setUpPackages() {
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
