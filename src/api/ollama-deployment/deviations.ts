// What is accepted and yet not as it should be: each is an admission warning and a condition, from one table.
// Never refuses anything: that is what the CEL rules of the schema are for.
import type { ConditionReason } from '../condition-reasons.ts';
import type { Spec } from './resource.ts';

/** Older versions give away memory and keys to anybody who can reach them (CVE-2026-7482). */
export const SAFE_OLLAMA = '0.17.1';
const BELOW_SAFE = '^v?0[.](([0-9]|1[0-6])([.].*)?|17([.]0(-.*)?)?|17[.]1-rc.*)$';
/** Images under other names may count their versions in another way. */
const OLLAMA_IMAGE = '(^|/)ollama$';
const MOVING_TAG = '^(latest|main|dev|edge|nightly|rocm|cuda|git-[0-9a-f]+|)$';

export interface Deviation {
  readonly reason: ConditionReason;
  /** CEL: true where nothing is wrong. `object` is the resource. */
  readonly expression: string;
  readonly message: string;
  readonly applies: (spec: Spec) => boolean;
}

type FlatName = 'serviceType' | 'servicePort' | 'ingressEnabled' | 'ingressHost';
const NESTED_NAMES: Readonly<Record<FlatName, string>> = {
  serviceType: 'service.type',
  servicePort: 'service.port',
  ingressEnabled: 'ingress.enabled',
  ingressHost: 'ingress.host',
};

type Component = 'ollama' | 'openwebui' | 'tabby';
const FLAT: readonly (readonly [Component, readonly FlatName[]])[] = [
  ['ollama', ['serviceType', 'servicePort']],
  ['openwebui', ['serviceType', 'servicePort', 'ingressEnabled', 'ingressHost']],
  ['tabby', ['serviceType', 'servicePort', 'ingressEnabled', 'ingressHost']],
];

const flatNames: readonly Deviation[] = FLAT.flatMap(([component, names]) => {
  const path = `object.spec.${component}`;
  const there = component === 'ollama' ? '' : `!has(${path}) || `;
  return names.map(name => ({
    reason: 'DeprecatedFields' as const,
    expression: `${there}!has(${path}.${name})`,
    message: `spec.${component}.${name} is an old name: write spec.${component}.${NESTED_NAMES[name]}`,
    applies: (spec: Spec) =>
      (spec[component] as Partial<Record<FlatName, unknown>> | undefined)?.[name] !== undefined,
  }));
});

const isPinned = (image: string, tag: string | undefined, absent: string): boolean =>
  image.includes('@') || !new RegExp(MOVING_TAG).test(tag ?? absent);

const images: readonly Deviation[] = [
  {
    reason: 'UnpinnedImage',
    expression: `!has(object.spec.ollama.imageTag) || !object.spec.ollama.imageTag.matches('${MOVING_TAG}')`,
    message:
      'spec.ollama.imageTag can mean another image tomorrow: give a version such as 0.24.0, or leave it out for the tested one',
    applies: ({ ollama }) => !isPinned(ollama.image, ollama.imageTag, SAFE_OLLAMA),
  },
  ...(['openwebui', 'tabby'] as const).map((component): Deviation => {
    const path = `object.spec.${component}`;
    return {
      reason: 'UnpinnedImage',
      expression: `!has(${path}) || !${path}.enabled || ${path}.image.contains('@') || (has(${path}.imageTag) && !${path}.imageTag.matches('${MOVING_TAG}'))`,
      message: `spec.${component}.imageTag can mean another image tomorrow: give a version`,
      applies: spec => {
        const wish = spec[component];
        return wish !== undefined && wish.enabled && !isPinned(wish.image, wish.imageTag, '');
      },
    };
  }),
  {
    reason: 'UnsafeVersion',
    expression: `!has(object.spec.ollama.imageTag) || !object.spec.ollama.image.matches('${OLLAMA_IMAGE}') || !object.spec.ollama.imageTag.matches('${BELOW_SAFE}')`,
    message: `spec.ollama.imageTag has known holes: give ${SAFE_OLLAMA} or newer, or leave it out for the tested version`,
    applies: ({ ollama: { image, imageTag } }) =>
      imageTag !== undefined && new RegExp(OLLAMA_IMAGE).test(image) && new RegExp(BELOW_SAFE).test(imageTag),
  },
];

const tabbyReplicas: Deviation = {
  reason: 'ReplicasReduced',
  expression: '!has(object.spec.tabby) || !object.spec.tabby.enabled || object.spec.tabby.replicas == 1',
  message: 'Tabby keeps its data in SQLite, which bears one pod: spec.tabby.replicas runs as 1',
  applies: ({ tabby }) => tabby !== undefined && tabby.enabled && tabby.replicas > 1,
};

export const DEVIATIONS: readonly Deviation[] = [...flatNames, ...images, tabbyReplicas];
