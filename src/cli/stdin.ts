// What is piped into a command. Never waits for a person at a terminal.
import { fstatSync } from 'node:fs';
import { usageError } from './exit.ts';

const bytesMax = 64 * 1024 * 1024;

/** undefined when nothing is piped in: a terminal, /dev/null, or no stdin at all. */
export async function readPiped(signal: AbortSignal): Promise<string | undefined> {
  if (process.stdin.isTTY === true || !isPipeOrFile()) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const stop = () => process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw usageError('more than 64 MiB are piped in', 'Send a smaller text.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isPipeOrFile(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}
