// The thinnest proxy that Node's own server and undici allow: what the platform costs before anything is understood.
// Never parses, chooses, counts or logs. Runs as `node thin-proxy.ts BACKEND` and prints a ready line.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Agent } from 'undici';
import { makeHome, start, whenPrinted } from '../lib/process.ts';
import type { Running } from '../lib/process.ts';

const connectionsMax = 64;

export async function startThinProxy(backend: string, core: number): Promise<Running & { url: string }> {
  const home = await makeHome('thin');
  const args = [path.join(import.meta.dirname, 'thin-proxy.ts'), backend];
  const running = await start({ name: 'thin', program: process.execPath, args, home, core }, whenPrinted);
  return Object.assign(running, { url: running.ready.url });
}

function serve(origin: string): void {
  const agent = new Agent({ connections: connectionsMax, pipelining: 1 });
  const server = http.createServer((req, res) => {
    const headers = [
      'content-type',
      'application/json',
      'content-length',
      req.headers['content-length'] ?? '0',
    ];
    agent.dispatch(
      { origin, path: req.url ?? '/', method: 'POST', headers, body: req },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status, fields) => res.writeHead(status, fields),
        onResponseData: (_controller, chunk) => res.write(chunk),
        onResponseEnd: () => res.end(),
        onResponseError: () => res.destroy(),
      },
    );
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ event: 'ready', url: `http://127.0.0.1:${port}` })}\n`);
  });
  process.once('SIGTERM', () => process.exit(0));
}

if (import.meta.main) serve(process.argv[2] ?? '');
