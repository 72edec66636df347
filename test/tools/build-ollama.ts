// Builds the real Ollama from its Go module, the last version that plain Go builds, into the tools folder.
// Never touches the machine outside that folder and Go's own caches; needs a C++ compiler and apt-get.
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { unpackDebian } from '../../scripts/fetch/debian.ts';
import { goProgram } from './go.ts';

const ollamaVersion = '0.24.0';
const malgoVersion = 'v0.11.24';
const buildTimeoutMs = 40 * 60 * 1000;

/** A binary built for AVX2 dies on a processor without it, so the two kinds lie in different folders. */
async function hasAvx2(): Promise<boolean> {
  const info = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags =
    info
      .split('\n')
      .find(line => line.startsWith('flags'))
      ?.split(/\s+/) ?? [];
  return ['avx2', 'fma', 'f16c'].every(flag => flags.includes(flag));
}

export async function builtOllama(): Promise<string> {
  const kind = (await hasAvx2()) ? 'avx2' : 'plain';
  return path.join(toolsFolder(), `ollama-${ollamaVersion}-${kind}`, 'ollama');
}

export function reportsVersion(binary: string): boolean {
  const env = { ...process.env, OLLAMA_HOST: '127.0.0.1:1' };
  const run = spawnSync(binary, ['--version'], { encoding: 'utf8', timeout: 20_000, env });
  return `${run.stdout}${run.stderr}`.includes(ollamaVersion);
}

function requireCompilers(): void {
  for (const [program, args] of [
    ['c++', ['--version']],
    ['apt-get', ['--version']],
  ] as const) {
    if (spawnSync(program, args, { timeout: 20_000 }).status !== 0) {
      throw new Error(
        `Building Ollama needs \`${program}\` on PATH: install g++ and apt, ` +
          `or name an Ollama ${ollamaVersion} binary in BIGO_OLLAMA.`,
      );
    }
  }
}

export async function buildOllama(): Promise<string> {
  requireCompilers();
  const target = await builtOllama();
  await mkdir(path.dirname(target), { recursive: true });
  const work = await mkdtemp(path.join(toolsFolder(), 'build-ollama-'));
  try {
    await withLock('ollama', () => buildInto(work, target));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

async function buildInto(work: string, target: string): Promise<void> {
  if (reportsVersion(target)) return;
  const include = await gatherHeaders();
  await runGo(work, include, [
    'install',
    '-ldflags',
    `-s -w -X github.com/ollama/ollama/version.Version=${ollamaVersion}`,
    `github.com/ollama/ollama@v${ollamaVersion}`,
  ]);
  const built = path.join(work, 'ollama');
  if (!reportsVersion(built)) throw new Error(`The built Ollama does not say it is ${ollamaVersion}.`);
  await rename(built, target);
}

/**
 * The Go module leaves out three vendored headers: Debian has two, another Go module the third.
 * They lie at a fixed place because Go's build cache includes the path: the second build takes seconds.
 */
async function gatherHeaders(): Promise<string> {
  const include = path.join(toolsFolder(), 'ollama-headers');
  await unpackDebian(['nlohmann-json3-dev', 'libstb-dev'], include);
  const module = path.join(include, 'malgo');
  await mkdir(module, { recursive: true });
  await writeFile(path.join(module, 'go.mod'), 'module headers\n\ngo 1.24\n');
  await runGo(module, include, ['mod', 'download', `github.com/gen2brain/malgo@${malgoVersion}`]);
  const go = await goProgram();
  const cache = spawnSync(go, ['env', 'GOMODCACHE'], { encoding: 'utf8', timeout: 20_000 }).stdout.trim();
  await mkdir(path.join(include, 'usr', 'include', 'miniaudio'), { recursive: true });
  await copyFile(
    path.join(cache, 'github.com', 'gen2brain', `malgo@${malgoVersion}`, 'miniaudio.h'),
    path.join(include, 'usr', 'include', 'miniaudio', 'miniaudio.h'),
  );
  return include;
}

async function runGo(work: string, include: string, args: readonly string[]): Promise<void> {
  const optimise = (await hasAvx2()) ? '-O3 -mavx2 -mfma -mf16c' : '-O3';
  await runLogged({
    program: await goProgram(),
    args,
    cwd: work,
    log: path.join(toolsFolder(), 'log', 'ollama.log'),
    timeoutMs: buildTimeoutMs,
    env: {
      GOBIN: work,
      CGO_ENABLED: '1',
      CGO_CPPFLAGS: `-I${path.join(include, 'usr', 'include')}`,
      CGO_CFLAGS: optimise,
      CGO_CXXFLAGS: optimise,
    },
  });
}
