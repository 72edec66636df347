// The one part of a kubelet that `kubectl logs` needs: the API server asks it for a container's log. Everything it says is given.
// Never runs a container, never ends a log that is followed.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { ControlPlane } from './cluster.ts';

export interface KubeletLogs {
  readonly port: number;
  stop(): Promise<void>;
}

const target = /^\/containerLogs\/[^/]+\/[^/]+\/([^/?]+)/;

/** `logs`: what each container wrote, by its name. */
export async function startKubeletLogs(
  cluster: ControlPlane,
  logs: Readonly<Record<string, string>>,
): Promise<KubeletLogs> {
  // The API server asks no kubelet who it is: its own certificate will do.
  const file = (name: string) => readFile(path.join(cluster.folder, 'certificates', name), 'utf8');
  const [cert, key] = await Promise.all([file('apiserver.crt'), file('apiserver.key')]);
  const server = createServer({ cert, key }, (req, res) => {
    const container = target.exec(req.url ?? '')?.[1] ?? '';
    const log = logs[container];
    if (log === undefined) return void res.writeHead(404).end(`no log of ${container}`);
    res.writeHead(200, { 'content-type': 'text/plain' });
    if (new URL(req.url ?? '', 'https://kubelet').searchParams.get('follow') === 'true') res.write(log);
    else res.end(log);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, stop: () => stop(server) };
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise(resolve => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

/** Tells the API server where the kubelet of this node listens. */
export async function announceKubelet(cluster: ControlPlane, node: string, port: number): Promise<void> {
  const ref = { apiVersion: 'v1', kind: 'Node', name: node };
  const status = { daemonEndpoints: { kubeletEndpoint: { Port: port } } };
  await cluster.admin.patch(ref, { status }, 'merge', 'status');
}
