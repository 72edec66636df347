// Builders for the fields of the resource: each carries its bounds, its text for `kubectl explain` and what only Kubernetes knows.
// Never names a field of its own.
import * as z from 'zod';

/** One CEL rule; the message says what to do. `fieldPath` is relative to where the rule stands. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired';
}

/** What a generated schema carries beside JSON Schema's own words. */
export interface KubernetesMeta {
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly format?: string;
}

export function field<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  kubernetes: KubernetesMeta = {},
): Schema {
  return schema.meta({ description, ...kubernetes });
}

export const withRules = (rules: readonly CelRule[]): KubernetesMeta => ({
  'x-kubernetes-validations': rules,
});
export const keyedBy = (...keys: readonly string[]): KubernetesMeta => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});

export const whole = (min: number, max: number) => z.int().min(min).max(max);
export const text = (lengthMax: number) => z.string().max(lengthMax);
export const port = () => whole(1, 65_535);

const MODEL_NAME =
  /^(([A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}\/)?[A-Za-z0-9_][A-Za-z0-9_-]{0,79}\/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,79})?$/;
/** As parseModelName (names.ts) reads it, in a form that the API server can check. */
export const modelName = () => z.string().min(1).max(256).regex(MODEL_NAME);

const QUANTITY = /^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$/;
export const quantityText = () => z.string().max(32).regex(QUANTITY);
/** `500m`, `1Gi`, and the bare number that YAML makes of `cpu: 2`. */
export const quantity = () =>
  z.union([z.string().max(32).regex(QUANTITY), z.int()]).meta({ 'x-kubernetes-int-or-string': true });

/** Up to a day, as Ollama and Go write it: `5m`, `1h30m`; `-1` = for ever where Ollama says so. */
const DURATION = /^(-1|0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$/;
export const durationText = () => z.string().min(1).max(32).regex(DURATION);

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** A part of a pod that is handed on as it is: the API server judges it when it sees the pod. */
export const podPart = (description: string) =>
  field(description, z.record(z.string(), z.custom<Json>()), {
    'x-kubernetes-preserve-unknown-fields': true,
  });
export const podParts = (description: string, itemsMax: number) =>
  field(description, z.array(podPart('One item, as Kubernetes writes it in a pod.')).max(itemsMax), {
    'x-kubernetes-list-type': 'atomic',
  });

export const textMap = (keysMax: number, valueLengthMax: number) =>
  z.record(z.string(), z.string().max(valueLengthMax)).meta({ maxProperties: keysMax });

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
export const dnsLabel = () => z.string().max(63).regex(DNS_LABEL);
/** A name, or nothing, which means the same as leaving the field out. */
export const dnsNameOrEmpty = () =>
  z
    .string()
    .max(253)
    .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$/);
/** A host of an Ingress; a wildcard stands for one label. */
export const hostName = () =>
  z
    .string()
    .max(253)
    .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
export const imageName = () =>
  z
    .string()
    .min(1)
    .max(400)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$/);
export const imageTag = () =>
  z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/);
