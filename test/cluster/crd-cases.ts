// One accepted and one refused resource for each rule of the schema. Never talks to a server.

type Spec = Record<string, unknown>;

export interface RuleCase {
  readonly about: string;
  readonly accepted: Spec;
  readonly refused: Spec;
  /** The field that the refusal must name. */
  readonly field: string;
  /** Words of the refusal. */
  readonly says: RegExp;
}

export interface TransitionCase extends RuleCase {
  readonly before: Spec;
}

const models = ['a:1', 'b:1'];
const ollama = (more: Spec = {}): Spec => ({ ollama: { models, ...more } });
const beside = (more: Spec): Spec => ({ ...ollama(), ...more });

const digest = `sha256:${'0'.repeat(64)}`;
const scaling = (more: Spec): Spec => beside({ autoscaling: { enabled: true, ...more } });
const both = (component: string, flat: Spec, block: Spec, field: string): RuleCase => {
  const wrap = (more: Spec): Spec => (component === 'ollama' ? ollama(more) : beside({ [component]: more }));
  return {
    about: `${component}.${field} together with the nested name`,
    accepted: wrap(flat),
    refused: wrap({ ...flat, ...block }),
    field: `spec.${component}.${field}`,
    says: /not both/,
  };
};

const flatNames = ['ollama', 'openwebui', 'tabby'].flatMap(component => [
  both(component, { serviceType: 'NodePort' }, { service: { type: 'NodePort' } }, 'serviceType'),
  both(component, { servicePort: 80 }, { service: { port: 80 } }, 'servicePort'),
]);
const flatIngress = ['openwebui', 'tabby'].flatMap(component => [
  both(
    component,
    { ingressEnabled: true, ingressHost: 'a.example' },
    { ingress: { enabled: true, host: 'a.example' }, ingressHost: undefined },
    'ingressEnabled',
  ),
  both(component, { ingressHost: 'a.example' }, { ingress: { host: 'a.example' } }, 'ingressHost'),
  {
    about: `${component}.ingress without a host`,
    accepted: beside({ [component]: { ingress: { enabled: true, host: 'a.example' } } }),
    refused: beside({ [component]: { ingress: { enabled: true } } }),
    field: `spec.${component}.ingress`,
    says: /give ingress\.host/,
  },
  {
    about: `${component}.imageTag beside a digest`,
    accepted: beside({ [component]: { image: `x/y@${digest}` } }),
    refused: beside({ [component]: { image: `x/y@${digest}`, imageTag: 'v1' } }),
    field: `spec.${component}.imageTag`,
    says: /remove imageTag/,
  },
]);

export const ruleCases: readonly RuleCase[] = [
  {
    about: 'a derived model of a model that is not declared',
    accepted: ollama({ derivedModels: [{ name: 'c:1', from: 'a:1' }] }),
    refused: ollama({ derivedModels: [{ name: 'c:1', from: 'z:1' }] }),
    field: 'spec.ollama.derivedModels',
    says: /add the model to models/,
  },
  {
    about: 'a derived model under the name of a declared one',
    accepted: ollama({
      derivedModels: [{ name: 'c:1', from: 'a:1', parameters: { stop: ['x'], num_ctx: 1 } }],
    }),
    refused: ollama({ derivedModels: [{ name: 'b:1', from: 'a:1' }] }),
    field: 'spec.ollama.derivedModels',
    says: /choose another name/,
  },
  {
    about: 'the place of a model that is not declared',
    accepted: ollama({ placement: [{ model: 'b:1', replicas: [0, 1] }] }),
    refused: ollama({ placement: [{ model: 'z:1', replicas: [0] }] }),
    field: 'spec.ollama.placement',
    says: /add the model, or remove the placement/,
  },
  {
    about: 'ollama.imageTag beside a digest',
    accepted: ollama({ image: `x/y@${digest}` }),
    refused: ollama({ image: `x/y@${digest}`, imageTag: '0.24.0' }),
    field: 'spec.ollama.imageTag',
    says: /remove imageTag/,
  },
  {
    about: 'a claim of its own without mode shared',
    accepted: ollama({ storage: { mode: 'shared', existingClaim: 'c' } }),
    refused: ollama({ storage: { existingClaim: 'c' } }),
    field: 'spec.ollama.storage.existingClaim',
    says: /set storage\.mode to shared/,
  },
  {
    about: 'no replica without scaling to zero',
    accepted: { ...scaling({ idleSecondsToZero: 60 }), ...ollama({ replicas: 0 }) },
    refused: ollama({ replicas: 0 }),
    field: 'spec.ollama.replicas',
    says: /set it to 1 or more/,
  },
  {
    about: 'autoscaling without a gateway',
    accepted: beside({ gateway: { enabled: false } }),
    refused: { ...scaling({}), gateway: { enabled: false } },
    field: 'spec.autoscaling.enabled',
    says: /set gateway\.enabled to true/,
  },
  {
    about: 'more at least than at most',
    accepted: scaling({ minReplicas: 4, maxReplicas: 4 }),
    refused: scaling({ minReplicas: 5, maxReplicas: 4 }),
    field: 'spec.autoscaling.minReplicas',
    says: /raise maxReplicas/,
  },
  {
    about: 'to zero with a HorizontalPodAutoscaler',
    accepted: scaling({ idleSecondsToZero: 60, engine: 'operator' }),
    refused: scaling({ idleSecondsToZero: 60, engine: 'hpa' }),
    field: 'spec.autoscaling.idleSecondsToZero',
    says: /set autoscaling\.engine to operator or keda/,
  },
  {
    about: 'the operator scaling by GPU use',
    accepted: scaling({ signal: 'gpu', engine: 'hpa' }),
    refused: scaling({ signal: 'gpu' }),
    field: 'spec.autoscaling.signal',
    says: /set autoscaling\.engine to hpa or keda/,
  },
  {
    about: 'KEDA without Prometheus',
    accepted: scaling({ engine: 'keda', prometheusAddress: 'http://prometheus:9090' }),
    refused: scaling({ engine: 'keda' }),
    field: 'spec.autoscaling.prometheusAddress',
    says: /give autoscaling\.prometheusAddress/,
  },
  {
    about: 'the Ingress of the gateway without a host',
    accepted: beside({ gateway: { ingress: { enabled: true, host: 'a.example' } } }),
    refused: beside({ gateway: { ingress: { enabled: true } } }),
    field: 'spec.gateway.ingress',
    says: /give ingress\.host/,
  },
  {
    about: 'the Ingress of a gateway that is off',
    accepted: beside({ gateway: { enabled: false, ingress: { enabled: false, host: 'a.example' } } }),
    refused: beside({ gateway: { enabled: false, ingress: { enabled: true, host: 'a.example' } } }),
    field: 'spec.gateway.enabled',
    says: /set gateway\.enabled to true/,
  },
  {
    about: 'several OpenWebUI pods on SQLite',
    accepted: beside({
      openwebui: { replicas: 2, redisUrl: 'redis://r', envVars: [{ name: 'DATABASE_URL', value: 'x' }] },
    }),
    refused: beside({ openwebui: { replicas: 2, redisUrl: 'redis://r' } }),
    field: 'spec.openwebui.replicas',
    says: /give redisUrl and DATABASE_URL/,
  },
  ...['modelName', 'chatModelName', 'embeddingModelName'].map(name => ({
    about: `tabby.${name} that is not declared`,
    accepted: beside({ tabby: { enabled: true, [name]: 'b:1' } }),
    refused: beside({ tabby: { enabled: true, [name]: 'z:1' } }),
    field: `spec.tabby.${name}`,
    says: /add the model, or give tabby\.ollamaServiceName/,
  })),
  ...flatNames,
  ...flatIngress,
];

const storage = (value: Spec): Spec => ollama({ storage: value });

export const transitionCases: readonly TransitionCase[] = [
  {
    about: 'another storage mode',
    before: storage({ mode: 'ephemeral' }),
    accepted: storage({ mode: 'ephemeral', retention: 'Delete' }),
    refused: storage({ mode: 'perReplica' }),
    field: 'spec.ollama.storage.mode',
    says: /make a new OllamaDeployment/,
  },
  {
    about: 'another storage mode by taking the whole block out',
    before: storage({ mode: 'ephemeral' }),
    accepted: storage({ mode: 'ephemeral', path: '/elsewhere' }),
    refused: ollama(),
    field: 'spec.ollama.storage.mode',
    says: /make a new OllamaDeployment/,
  },
  {
    about: 'another storage class',
    before: storage({ storageClassName: 'fast' }),
    accepted: storage({ storageClassName: 'fast', size: '60Gi' }),
    refused: storage({ storageClassName: 'slow' }),
    field: 'spec.ollama.storage.storageClassName',
    says: /with the other class/,
  },
  {
    about: 'another claim',
    before: storage({ mode: 'shared', existingClaim: 'a' }),
    accepted: storage({ mode: 'shared', existingClaim: 'a', retention: 'Delete' }),
    refused: storage({ mode: 'shared', existingClaim: 'b' }),
    field: 'spec.ollama.storage.existingClaim',
    says: /with the other claim/,
  },
  {
    about: 'a smaller volume',
    before: storage({ size: '60Gi' }),
    accepted: storage({ size: '0.1Ti' }),
    refused: storage({ size: '59Gi' }),
    field: 'spec.ollama.storage.size',
    says: /may only grow/,
  },
  {
    about: 'a smaller volume than the storage of the resources',
    before: ollama({ resources: { requests: { storage: '80Gi' } } }),
    accepted: storage({ size: '80Gi' }),
    refused: storage({ size: '60Gi' }),
    field: 'spec.ollama.storage.size',
    says: /may only grow/,
  },
  {
    about: 'a smaller volume by taking its size out',
    before: storage({ size: '60Gi' }),
    accepted: storage({ size: '60Gi', path: '/x' }),
    refused: storage({}),
    field: 'spec.ollama.storage.size',
    says: /may only grow/,
  },
];
