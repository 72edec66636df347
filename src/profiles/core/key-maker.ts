// The Job that fills a profile's Secrets in the cluster, so that no key lies in a file. Never replaces what is there.
import type { KubeObject } from '../../api/kube-object.ts';
import { type SecretNeed } from '../../operator/core/desired/secrets.ts';
import { containerSecurity, emptyDir, podSecurity } from '../../operator/core/desired/pod.ts';
import { account, grants, plain, plainLabels } from './plain.ts';

const NAME = 'bigo-secrets';
const FOLDER = '/etc/bigo/secrets';
const NEEDS_FILE = 'needs.json';

export interface KeyMaker {
  readonly namespace: string;
  readonly image: string;
  readonly needs: readonly SecretNeed[];
}

export function keyMaker({ namespace, image, needs }: KeyMaker): KubeObject[] {
  const ours = needs.filter(need => need.isOurs);
  const identity = { name: NAME, namespace, app: NAME };
  return [
    account(NAME, namespace, NAME),
    ...grants({
      ...{ name: NAME, namespace, app: NAME, account: NAME },
      rules: [
        {
          apiGroups: [''],
          resources: ['secrets'],
          resourceNames: ours.map(need => need.name),
          verbs: ['get', 'patch'],
        },
      ],
    }),
    plain(
      { apiVersion: 'v1', kind: 'ConfigMap', ...identity },
      { data: { [NEEDS_FILE]: `${JSON.stringify(ours, undefined, 2)}\n` } },
    ),
    plain({ apiVersion: 'batch/v1', kind: 'Job', ...identity }, { spec: jobSpec(image) }),
  ];
}

function jobSpec(image: string): Record<string, unknown> {
  return {
    backoffLimit: 6,
    template: {
      metadata: { labels: plainLabels(NAME) },
      spec: {
        restartPolicy: 'OnFailure',
        enableServiceLinks: false,
        serviceAccountName: NAME,
        automountServiceAccountToken: true,
        securityContext: podSecurity(),
        containers: [
          {
            name: 'fill',
            image,
            imagePullPolicy: 'IfNotPresent',
            args: ['fill-secrets', '--needs', `${FOLDER}/${NEEDS_FILE}`],
            env: [{ name: 'HOME', value: '/tmp' }],
            resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
            securityContext: containerSecurity,
            volumeMounts: [
              { name: 'needs', mountPath: FOLDER, readOnly: true },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [{ name: 'needs', configMap: { name: NAME } }, emptyDir('tmp')],
      },
    },
  };
}
