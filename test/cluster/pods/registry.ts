// A registry of models that pods reach by a name of their cluster, over TLS with a certificate that its images trust.
// Never reachable from outside: it listens on the test's end of the cable to one cluster.
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { startRegistry, type Registry } from '../../tools/registry.ts';
import type { RunningNode } from '../tools/node.ts';

const namespace = 'registry';
const service = 'models';
const commandMsMax = 30_000;

/** How pods call it. */
interface RegistryName {
  readonly name: string;
  readonly port: number;
}
const inCluster: RegistryName = { name: `${service}.${namespace}.svc`, port: 5000 };
/** Of a model without a host in its name; a node leads pods to the test by `outsideNames`. */
export const ollamaRegistry: RegistryName = { name: 'registry.ollama.ai', port: 443 };

export interface PodRegistry {
  readonly registry: Registry;
  /** To be put where a program looks for the authorities it trusts. */
  readonly certificateFile: string;
}

export async function registryForPods(node: RunningNode, { name, port } = inCluster): Promise<PodRegistry> {
  const address = node.place.testAddress;
  const [key, cert] = ['registry.key', 'registry.crt'].map(file => path.join(node.plane.folder, file));
  const names = `subjectAltName=DNS:${name},IP:${address}`;
  const wish = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const about = ['-days', '2', '-subj', '/CN=registry', '-addext', names];
  execFileSync('openssl', [...wish, '-keyout', key as string, '-out', cert as string, ...about], {
    timeout: commandMsMax,
    stdio: 'ignore',
  });
  const tls = {
    key: await readFile(key as string, 'utf8'),
    cert: await readFile(cert as string, 'utf8'),
  };
  if (name === inCluster.name) await node.plane.admin.applyYaml(leadingTo(address));
  const registry = await startRegistry({ address, port, name, tls });
  return { registry, certificateFile: cert as string };
}

/** A Service without pods: its addresses are written by hand. */
function leadingTo(address: string): string {
  return `
apiVersion: v1
kind: Namespace
metadata: {name: ${namespace}}
---
apiVersion: v1
kind: Service
metadata: {name: ${service}, namespace: ${namespace}}
spec: {ports: [{name: https, port: ${inCluster.port}}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [{name: https, port: ${inCluster.port}, protocol: TCP}]
endpoints: [{addresses: ["${address}"]}]
`;
}
