// What OpenWebUI and Tabby have in common: one Deployment with a volume, its claim and its Service. Never what runs inside.
import type { KubeObject } from '../../../api/kube-object.ts';
import type { ResolvedOpenwebui, ResolvedTabby } from '../../../api/ollama-deployment/resolve.ts';
import { labelsOf, selectorOf } from '../names.ts';
import type { Context } from './input.ts';
import { object } from './object.ts';
import { claimSpec } from './ollama.ts';
import { emptyDir, podDefaults, podSecurity } from './pod.ts';

export interface ComponentParts {
  readonly app: 'openwebui' | 'tabby';
  readonly wish: ResolvedOpenwebui | ResolvedTabby;
  readonly container: Record<string, unknown>;
  readonly volumes: readonly Record<string, unknown>[];
  readonly annotations: Readonly<Record<string, string>>;
}

export function componentObjects(context: Context, parts: ComponentParts): KubeObject[] {
  return [...claim(context, parts), deployment(context, parts), service(context, parts)];
}

function claim(context: Context, { app, wish }: ComponentParts): KubeObject[] {
  const { persistence } = wish;
  if (persistence === undefined || persistence.existingClaim !== undefined) return [];
  const isKept = persistence.retention === 'Retain';
  const identity = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: context.names[app], app, isKept };
  return [object(context, identity, { spec: claimSpec('ReadWriteOnce', persistence) })];
}

function dataVolume(context: Context, { app, wish }: ComponentParts): Record<string, unknown> {
  const { persistence } = wish;
  if (persistence === undefined) return emptyDir('data');
  return {
    name: 'data',
    persistentVolumeClaim: { claimName: persistence.existingClaim ?? context.names[app] },
  };
}

function deployment(context: Context, parts: ComponentParts): KubeObject {
  const { app, wish, container, volumes, annotations } = parts;
  const { name } = context.resolved;
  const identity = { apiVersion: 'apps/v1', kind: 'Deployment', name: context.names[app], app };
  // A volume of one node cannot be handed over while the old pod holds it.
  const isAlone = wish.replicas === 1;
  const rolling = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } };
  return object(context, identity, {
    spec: {
      replicas: wish.replicas,
      revisionHistoryLimit: 5,
      strategy: isAlone ? { type: 'Recreate' } : rolling,
      selector: { matchLabels: selectorOf(name, app) },
      template: {
        metadata: {
          labels: labelsOf(name, app),
          ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
        },
        spec: {
          ...podDefaults,
          serviceAccountName: context.names[app],
          terminationGracePeriodSeconds: 60,
          // The files of these images belong to group 0.
          securityContext: podSecurity(0),
          containers: [container],
          volumes: [dataVolume(context, parts), emptyDir('tmp'), ...volumes],
        },
      },
    },
  });
}

/** The port of the Service is the user's; the process keeps its own. */
function service(context: Context, { app, wish }: ComponentParts): KubeObject {
  const { type, port, annotations } = wish.service;
  const identity = { apiVersion: 'v1', kind: 'Service', name: context.names[app], app, annotations };
  return object(context, identity, {
    spec: {
      type,
      selector: selectorOf(context.resolved.name, app),
      ports: [{ name: 'http', port, targetPort: 'http', protocol: 'TCP' }],
    },
  });
}

/** Ours first; a variable that the user gives under the same name wins. */
export interface Variable {
  readonly name: string;
  readonly value?: string | undefined;
  readonly valueFrom?: unknown;
}

export function withUserEnv(ours: readonly Variable[], given: readonly Variable[]): readonly Variable[] {
  const names = new Set(given.map(variable => variable.name));
  return [...ours.filter(variable => !names.has(variable.name)), ...given];
}
