// The resource OllamaDeployment as a whole: the one source of its types, its defaults and deploy/crds/.
// Never gives a field a meaning: resolve.ts and operator/core do that.
import * as z from 'zod';
import { openwebuiSchema, tabbySchema } from './components.ts';
import { type CelRule, field, withRules } from './fields.ts';
import { autoscalingSchema, gatewaySchema, monitoringSchema, networkSchema } from './gateway.ts';
import { ollamaSchema } from './ollama.ts';
import { statusSchema } from './status.ts';

export const GROUP = 'llm.geeper.io';
export const VERSION = 'v1alpha1';
export const KIND = 'OllamaDeployment';
export const PLURAL = 'ollamadeployments';
export const API_VERSION = `${GROUP}/${VERSION}`;

const declares = (name: string) =>
  `!has(self.tabby.${name}) || self.ollama.models.exists(m, m == self.tabby.${name} || m == self.tabby.${name} + ':latest' || m + ':latest' == self.tabby.${name}) || (has(self.ollama.derivedModels) && self.ollama.derivedModels.exists(d, d.name == self.tabby.${name}))`;
const tabbyModel = (name: string): CelRule => ({
  rule: `!has(self.tabby) || !self.tabby.enabled || has(self.tabby.ollamaServiceName) || ${declares(name)}`,
  message: `tabby.${name} must be one of ollama.models or derivedModels: add the model, or give tabby.ollamaServiceName`,
  fieldPath: `.tabby.${name}`,
});

const zeroNeedsAutoscaling: CelRule = {
  rule: 'self.ollama.replicas > 0 || (has(self.autoscaling) && self.autoscaling.enabled && self.autoscaling.idleSecondsToZero > 0)',
  message:
    'ollama.replicas may be 0 only with autoscaling.enabled and idleSecondsToZero: set it to 1 or more, or switch those on',
  fieldPath: '.ollama.replicas',
};
const scalingNeedsGateway: CelRule = {
  rule: '!has(self.autoscaling) || !self.autoscaling.enabled || !has(self.gateway) || self.gateway.enabled',
  message:
    'autoscaling counts the requests of the gateway: set gateway.enabled to true, or autoscaling.enabled to false',
  fieldPath: '.autoscaling.enabled',
};

export const specSchema = field(
  'What should be.',
  z.object({
    ollama: ollamaSchema,
    gateway: gatewaySchema.optional(),
    autoscaling: autoscalingSchema.optional(),
    monitoring: monitoringSchema.optional(),
    network: networkSchema.optional(),
    openwebui: openwebuiSchema.optional(),
    tabby: tabbySchema.optional(),
  }),
  withRules([
    zeroNeedsAutoscaling,
    scalingNeedsGateway,
    tabbyModel('modelName'),
    tabbyModel('chatModelName'),
    tabbyModel('embeddingModelName'),
  ]),
);
export type Spec = z.output<typeof specSchema>;

const metadataSchema = z.looseObject({
  name: z.string(),
  namespace: z.string().prefault('default'),
  uid: z.string().prefault(''),
  generation: z.int().prefault(0),
  resourceVersion: z.string().prefault(''),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});

/** As the API server hands it out; unknown fields of a newer version are left out. */
export const resourceSchema = z.object({
  apiVersion: z.literal(API_VERSION),
  kind: z.literal(KIND),
  metadata: metadataSchema,
  spec: specSchema,
  status: statusSchema.optional(),
});
export type OllamaDeployment = z.output<typeof resourceSchema>;
