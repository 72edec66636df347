// The kinds of Prometheus' operator and of KEDA, without their content: enough for a server to keep and serve them.
// Never what their owners would do with an object.
import type { KubeObject } from '../tools/kube-client.ts';

const kinds = [
  ['monitoring.coreos.com', 'v1', 'ServiceMonitor'],
  ['monitoring.coreos.com', 'v1', 'PrometheusRule'],
  ['keda.sh', 'v1alpha1', 'ScaledObject'],
] as const;

export const optionalKinds: readonly KubeObject[] = kinds.map(([group, version, kind]) => {
  const singular = kind.toLowerCase();
  const plural = `${singular}s`;
  const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, singular, plural, listKind: `${kind}List` },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
});
