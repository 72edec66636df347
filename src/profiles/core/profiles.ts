// The table of profiles, and the file by which Kustomize finds the manifests of one. Never renders anything itself.
import { bigo } from './bigo.ts';
import { homelab } from './homelab.ts';
import { modelHosting } from './model-hosting.ts';
import { production } from './production.ts';
import { OPTIONAL } from './render.ts';
import {
  type Profile,
  PROFILE_NAMES,
  type ProfileName,
  type ProfileWish,
  type RenderedFile,
} from './types.ts';

const TABLE: Readonly<Record<ProfileName, Profile>> = {
  bigo,
  production,
  'model-hosting': modelHosting,
  homelab,
};

export function profileOf(name: string): Profile | undefined {
  const known = PROFILE_NAMES.find(one => one === name);
  return known === undefined ? undefined : TABLE[known];
}

/** What a profile is without any `--set`. */
export function defaultWish({ namespace, host }: Profile, image: string): ProfileWish {
  return { namespace, host, image, spec: {} };
}

/** Without ending `.yaml`, so that `kubectl apply -f` leaves it alone. */
export const KUSTOMIZATION = 'Kustomization';

export function kustomization(files: readonly RenderedFile[]): Record<string, unknown> {
  const resources = applied(files).map(file => file.path);
  return { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources };
}

/** Values for Helm and no manifest: also without ending `.yaml`. */
export const ADAPTER_VALUES = `${OPTIONAL}prometheus-adapter.values`;

/** By which prometheus-adapter serves what the profile's autoscaler asks for; undefined where there is no such autoscaler. */
export function adapterValues(files: readonly RenderedFile[]): Record<string, unknown> | undefined {
  const objects = files.flatMap(file => file.objects);
  if (!objects.some(({ kind }) => kind === 'HorizontalPodAutoscaler')) return undefined;
  const demand = {
    seriesQuery: 'bigo_fleet_demand{namespace!="",fleet!=""}',
    resources: { overrides: { namespace: { resource: 'namespace' } } },
    name: { as: 'bigo_fleet_demand' },
    metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)',
  };
  return { metricsRelistInterval: '1m', rules: { external: [demand] } };
}

/** Each object once, and none that needs what a cluster may lack. */
export function applied(files: readonly RenderedFile[]): RenderedFile[] {
  return files.filter(file => !file.isRepeated && !file.path.startsWith(OPTIONAL));
}
