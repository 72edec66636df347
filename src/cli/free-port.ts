// Finds a port that nobody listens on. Never keeps it: who wants it must listen at once and try the next one if it lost.
import { createServer } from 'node:net';
import type { HostPort } from '../api/settings.ts';
import { CliError } from './exit.ts';

const portsTriedMax = 100;

export function isFree(address: HostPort): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(new CliError(`cannot listen on ${addressText(address)}: ${error.message}`));
    });
    server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      server.close(() => resolve(true));
    });
  });
}

/** The first free port from the given one upward; port 0 stays 0. */
export async function nextFree(first: HostPort, taken: readonly number[] = []): Promise<HostPort> {
  if (first.port === 0) return first;
  const last = Math.min(65_535, first.port + portsTriedMax);
  for (let port = first.port; port <= last; port++) {
    const address = { host: first.host, port };
    if (!taken.includes(port) && (await isFree(address))) return address;
  }
  throw new CliError(`no port from ${first.port} to ${last} is free on ${first.host}`, {
    next: 'Name one with --listen HOST:PORT and --admin HOST:PORT.',
  });
}

export function addressText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
