// What stands around the pods: service accounts, Ingresses, disruption budgets. Never a workload.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ResolvedIngress } from '../../../api/ollama-deployment/resolve-parts.ts';
import { type App, selectorOf } from '../names.ts';
import type { Context } from './input.ts';
import { object } from './object.ts';

type Component = Exclude<App, 'writer'>;

function enabled({ resolved }: Context): Component[] {
  const components: readonly Component[] = ['ollama', 'gateway', 'openwebui', 'tabby'];
  return components.filter(component => resolved[component] !== undefined);
}

export function serviceAccounts(context: Context): KubeObject[] {
  return enabled(context).map(app => {
    const identity = { apiVersion: 'v1', kind: 'ServiceAccount', name: context.names[app], app };
    return object(context, identity, { automountServiceAccountToken: false });
  });
}

/** One pod at a time; a pod that is not ready anyway is no reason to hold a node up. */
export function disruptionBudgets(context: Context): KubeObject[] {
  const { resolved } = context;
  const apps = enabled(context).filter(app => {
    if (app === 'ollama' || app === 'gateway') return true;
    return (resolved[app]?.replicas ?? 1) > 1;
  });
  return apps.map(app => {
    const identity = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', name: context.names[app], app };
    return object(context, identity, {
      spec: {
        maxUnavailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: { matchLabels: selectorOf(resolved.name, app) },
      },
    });
  });
}

/** Long streams, large uploads, and nothing held back; the user's own annotations win. */
const STREAMING = {
  'nginx.ingress.kubernetes.io/proxy-body-size': '0',
  'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
  'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
  'nginx.ingress.kubernetes.io/proxy-send-timeout': '3600',
  'haproxy.org/timeout-server': '1h',
  'haproxy.org/timeout-tunnel': '1h',
};

export function ingresses(context: Context): KubeObject[] {
  const { gateway, openwebui, tabby } = context.resolved;
  const { names } = context;
  const wishes: readonly (readonly [app: App, service: string, wish: ResolvedIngress | undefined])[] = [
    ['gateway', names.ollama, gateway?.ingress],
    ['openwebui', names.openwebui, openwebui?.ingress],
    ['tabby', names.tabby, tabby?.ingress],
  ];
  return wishes.flatMap(([app, service, wish]) =>
    wish === undefined ? [] : [ingress(context, { app, service, wish })],
  );
}

interface IngressWish {
  readonly app: App;
  readonly service: string;
  readonly wish: ResolvedIngress;
}

function ingress(context: Context, { app, service, wish }: IngressWish): KubeObject {
  const annotations = { ...STREAMING, ...wish.annotations };
  const identity = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    name: context.names[app],
    app,
    annotations,
  };
  const backend = { service: { name: service, port: { name: 'http' } } };
  return object(context, identity, {
    spec: {
      ...(wish.className === undefined ? {} : { ingressClassName: wish.className }),
      rules: [{ host: wish.host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      ...(wish.tls === undefined ? {} : { tls: [wish.tls] }),
    },
  });
}
