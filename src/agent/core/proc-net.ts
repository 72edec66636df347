// Reads /proc/net/tcp and tcp6: who is connected to a port of this pod. Never reads the file itself (proc(5), net/ipv4/tcp_ipv4.c).
const ESTABLISHED = '01';

/** Addresses at the other end of the established connections to `port`, one for each connection. */
export function remotesOf(text: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const remotes: string[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [, local = '', remote = '', state] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || local.split(':')[1] !== wanted) continue;
    const address = addressOf(remote.split(':')[0] ?? '');
    if (address !== undefined) remotes.push(address);
  }
  return remotes;
}

// The kernel prints each 32-bit word in the byte order of the machine; every machine that runs Ollama is little-endian.
function addressOf(hex: string): string | undefined {
  const words = hex.match(/[0-9A-Fa-f]{8}/g);
  if (words === null || words.length * 8 !== hex.length) return undefined;
  const bytes = words.flatMap(word => (word.match(/../g) ?? []).reverse().map(byte => parseInt(byte, 16)));
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return undefined;
  const isMapped = bytes.slice(0, 10).every(byte => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return isMapped ? bytes.slice(12).join('.') : compressed(bytes);
}

function compressed(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return sameAddressText(groups.join(':'));
}

/** One spelling for each address: what the resolver says and what the kernel says can be compared. */
export function sameAddressText(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...after];
  return groups.map(group => group.replace(/^0+(?=.)/, '')).join(':');
}

/** The pod itself: the agent's own questions. */
export function isSelf(address: string): boolean {
  return address === '127.0.0.1' || address === '0:0:0:0:0:0:0:1';
}
