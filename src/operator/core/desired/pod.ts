// Parts of pods that all components share: security, probes, spreading. Never a component's own container.
import type { Labels } from '../names.ts';

/** Our own user in every pod: any number that is nobody on the node will do. */
const USER = 10_001;

/** As the restricted Pod Security level asks. `group` 0 is for images whose files belong to root's group. */
export function podSecurity(group = USER): Record<string, unknown> {
  return {
    runAsNonRoot: true,
    runAsUser: USER,
    runAsGroup: group,
    fsGroup: USER,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

export const containerSecurity = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
/** For programs that write beside their own files. */
export const writableContainerSecurity = { ...containerSecurity, readOnlyRootFilesystem: false };

export const podDefaults = {
  enableServiceLinks: false,
  automountServiceAccountToken: false,
};

interface ProbeTimes {
  readonly periodSeconds: number;
  readonly failureThreshold: number;
  readonly timeoutSeconds?: number;
}

export function httpProbe(path: string, port: string, times: ProbeTimes): Record<string, unknown> {
  return { httpGet: { path, port }, timeoutSeconds: 5, ...times };
}
export function tcpProbe(port: string, times: ProbeTimes): Record<string, unknown> {
  return { tcpSocket: { port }, timeoutSeconds: 5, ...times };
}

/** Over nodes where that is possible; a full cluster is no reason not to start. */
export function spread(selector: Labels): Record<string, unknown>[] {
  return [
    {
      maxSkew: 1,
      topologyKey: 'kubernetes.io/hostname',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: selector },
    },
  ];
}

export const emptyDir = (name: string, sizeLimit?: string): Record<string, unknown> => ({
  name,
  emptyDir: sizeLimit === undefined ? {} : { sizeLimit },
});
