// What a process and its children cost: CPU time and resident memory, read from /proc. Never anything but Linux.
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports times in hundredths of a second on every architecture that Node runs on. */
const msPerTick = 10;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
  readonly rssBytes: number;
}

const pageBytes = 4096;

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command may hold spaces and brackets; the fields begin after the last bracket, with the third one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3]);
    return {
      pid,
      parent: field(4),
      ticks: field(14) + field(15) + field(16) + field(17),
      rssBytes: field(24) * pageBytes,
    };
  } catch {
    return undefined; // it ended meanwhile
  }
}

function family(pid: number): Stat[] {
  const all = readdirSync('/proc').flatMap(name => (/^\d+$/.test(name) ? (statOf(Number(name)) ?? []) : []));
  const members = all.filter(stat => stat.pid === pid);
  for (let index = 0; index < members.length; index++) {
    members.push(...all.filter(stat => stat.parent === members[index]?.pid));
  }
  return members;
}

export interface Cost {
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Of the process and all its children, ended ones included. */
export function costOf(pid: number): Cost {
  const members = family(pid);
  return {
    cpuMs: members.reduce((sum, stat) => sum + stat.ticks, 0) * msPerTick,
    rssMb: members.reduce((sum, stat) => sum + stat.rssBytes, 0) / 1e6,
  };
}
