// Runs a program once more in a network of its own, in which a range set apart for tests leads to itself: no loopback address may be a pod's.
// Never changes the network of the machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const marker = 'BIGO_OWN_NETWORK';
/** RFC 2544: nobody's real network. */
const range = '198.18.0.0/15';
const setUp = `ip link set lo up && ip route add local ${range} dev lo && exec "$@"`;

/** An address for the nth pod. */
export function podAddress(n: number): string {
  const index = n % 60_000;
  return `198.18.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

/** Resolves with what `main` resolves with, to be the exit status. */
export async function inOwnNetwork(main: () => Promise<number>): Promise<number> {
  if (process.env[marker] !== undefined) return main();
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const again = ['sh', '-c', setUp, 'sh', process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, [marker]: '1' };
  const child = spawn('unshare', ['--net', ...asRoot, ...again], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
