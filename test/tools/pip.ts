// How pip is called on this machine. Never installs pip itself.
import { spawnSync } from 'node:child_process';

const lookMsMax = 20_000;

/** The program and its first arguments; throws with the next step when there is none. */
export function pip(): readonly [string, readonly string[]] {
  const ways = [
    ['python3', ['-m', 'pip']],
    ['pip3', []],
    ['pip', []],
  ] as const;
  const works = ways.find(([program, args]) => {
    return spawnSync(program, [...args, '--version'], { timeout: lookMsMax }).status === 0;
  });
  if (works === undefined)
    throw new Error('Python 3 with pip is needed: install python3-pip, then run this again.');
  return works;
}
