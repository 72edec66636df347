// metrics-server on a pod, and what lets the API server pass requests on to it (the aggregation layer).
// Never makes up a number: what pods use, the kubelet says.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { imageNames } from './images.ts';
import type { KubeObject } from './kube-client.ts';
import type { RunningNode } from './node.ts';

const commandMsMax = 30_000;
const client = 'front-proxy-client';
/** It wants more than the longest time that it waits for a kubelet. */
const resolution = '15s';

/** Flags of the API server with which it proves to others for whom it asks; certificates are made in `folder`. */
export function aggregationFlags(folder: string): string[] {
  const file = (name: string): string => path.join(folder, name);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync('openssl', args, { cwd: folder, timeout: commandMsMax, stdio: 'ignore' });
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const authority = ['-subj', '/CN=front-proxy-ca', '-keyout', 'proxy-ca.key', '-out', 'proxy-ca.crt'];
  openssl('req', '-x509', ...fresh, ...authority);
  const by = ['-CA', 'proxy-ca.crt', '-CAkey', 'proxy-ca.key'];
  openssl(
    'req',
    '-x509',
    ...fresh,
    ...by,
    '-subj',
    `/CN=${client}`,
    '-keyout',
    'proxy.key',
    '-out',
    'proxy.crt',
  );
  return [
    // From where the API server runs, no address of a Service leads anywhere: it asks the pod itself.
    '--enable-aggregator-routing=true',
    `--requestheader-client-ca-file=${file('proxy-ca.crt')}`,
    `--requestheader-allowed-names=${client}`,
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${file('proxy.crt')}`,
    `--proxy-client-key-file=${file('proxy.key')}`,
  ];
}

/** Starts it as its own documents say; the image must be on the node. */
export async function startMetricsServer(node: RunningNode): Promise<void> {
  await node.plane.admin.applyYaml(manifest);
}

export async function untilMetricsServed(node: RunningNode, waitMsMax: number): Promise<void> {
  const ref = { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', name: 'v1beta1.metrics.k8s.io' };
  const isAvailable = (service: KubeObject | undefined): boolean => {
    const conditions = (service?.['status']?.conditions ?? []) as { type: string; status: string }[];
    return conditions.some(({ type, status }) => type === 'Available' && status === 'True');
  };
  await node.plane.admin.until(ref, isAvailable, waitMsMax);
}

const manifest = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: metrics-server, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: metrics-server-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: ServiceAccount, name: metrics-server, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "metrics-server:system:auth-delegator"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}
subjects: [{kind: ServiceAccount, name: metrics-server, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:metrics-server"}
rules:
  - {apiGroups: [""], resources: [nodes/metrics], verbs: [get]}
  - {apiGroups: [""], resources: [pods, nodes], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:metrics-server"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:metrics-server"}
subjects: [{kind: ServiceAccount, name: metrics-server, namespace: kube-system}]
---
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec:
  selector: {k8s-app: metrics-server}
  ports: [{name: https, port: 443, targetPort: https}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: metrics-server, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: metrics-server}}
  template:
    metadata: {labels: {k8s-app: metrics-server}}
    spec:
      serviceAccountName: metrics-server
      volumes: [{name: tmp, emptyDir: {}}]
      containers:
        - name: metrics-server
          image: ${imageNames.metricsServer}
          imagePullPolicy: Never
          args:
            - --cert-dir=/tmp
            - --secure-port=10250
            - --kubelet-preferred-address-types=InternalIP
            - --kubelet-use-node-status-port
            # The kubelet of a test signs for itself.
            - --kubelet-insecure-tls
            - --metric-resolution=${resolution}
          ports: [{name: https, containerPort: 10250}]
          readinessProbe: {httpGet: {path: /readyz, port: https, scheme: HTTPS}, periodSeconds: 2, failureThreshold: 60}
          volumeMounts: [{name: tmp, mountPath: /tmp}]
          securityContext:
            readOnlyRootFilesystem: true
            runAsNonRoot: true
            runAsUser: 1000
            allowPrivilegeEscalation: false
            seccompProfile: {type: RuntimeDefault}
            capabilities: {drop: [ALL]}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  service: {name: metrics-server, namespace: kube-system}
  group: metrics.k8s.io
  version: v1beta1
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
`;
