// Profile homelab: small models on CPUs, one folder on NFS, reached by name through Traefik or nginx in a private network.
// Never a node by name, and no claim that only one node may mount: its commands scale to two.
import type { KubeObject } from '../../api/kube-object.ts';
import { plain } from './plain.ts';
import type { Profile, Surroundings } from './types.ts';

const TLS_SECRET = 'ollama-tls';

export const homelab: Profile = {
  name: 'homelab',
  namespace: 'ml',
  host: 'ollama.home.example.com',
  spec: ({ host }) => ({
    ollama: {
      replicas: 1,
      models: ['llama3.2:1b', 'qwen2.5:3b'],
      settings: { keepAlive: '24h' },
      resources: { requests: { cpu: '500m', memory: '2Gi' }, limits: { cpu: '2', memory: '4Gi' } },
      storage: { mode: 'shared', existingClaim: 'ollama', size: '50Gi', storageClassName: 'nfs-client' },
    },
    gateway: {
      enabled: true,
      replicas: 1,
      auth: { mode: 'none' },
      ingress: { enabled: true, host, className: 'nginx', tls: { secretName: TLS_SECRET, hosts: [host] } },
    },
  }),
  workload: 'Deployment',
  strategy: 'OneMore',
  claim: { name: 'ollama', accessMode: 'ReadWriteMany' },
  writer: 'own',
  service: 'ollama',
  namespaceLabels: {},
  extra: traefik,
  files: {
    'StatefulSet/ollama-writer': 'ollama-deployment.yaml',
    'Deployment/ollama': 'ollama-deployment.yaml',
    'Deployment/ollama-gateway': 'ollama-service.yaml',
    Service: 'ollama-service.yaml',
    PersistentVolumeClaim: 'ollama-pvc.yaml',
    Ingress: 'optional/ingress-nginx.yaml',
    Certificate: 'optional/ingress.yaml',
    Middleware: 'optional/ingress.yaml',
    IngressRoute: 'optional/ingress.yaml',
  },
};

function traefik({ wish: { namespace, host } }: Surroundings): KubeObject[] {
  const identity = { apiVersion: 'traefik.io/v1alpha1', namespace, app: 'ollama' };
  const match = `Host(\`${host}\`)`;
  const services = [{ name: 'ollama', port: 11_434 }];
  const route = (name: string, spec: object): KubeObject =>
    plain({ ...identity, kind: 'IngressRoute', name }, { spec });
  return [
    plain(
      { ...identity, kind: 'Middleware', name: 'https-redirect' },
      { spec: { redirectScheme: { scheme: 'https', permanent: true } } },
    ),
    plain(
      { ...identity, apiVersion: 'cert-manager.io/v1', kind: 'Certificate', name: TLS_SECRET },
      {
        spec: {
          secretName: TLS_SECRET,
          issuerRef: { name: 'letsencrypt-prod', kind: 'ClusterIssuer' },
          dnsNames: [host],
          duration: '2160h',
          renewBefore: '720h',
        },
      },
    ),
    route('ollama', {
      entryPoints: ['websecure'],
      routes: [{ match, kind: 'Rule', services }],
      tls: { secretName: TLS_SECRET },
    }),
    route('ollama-redirect', {
      entryPoints: ['web'],
      routes: [{ match, kind: 'Rule', middlewares: [{ name: 'https-redirect' }], services }],
    }),
  ];
}
