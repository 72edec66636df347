// The one list of condition types and of the reasons that stand in them, and in Events. Programs compare these words.
// Never a sentence for people: that is the condition's message.

export const CONDITION_TYPES = [
  'Ready',
  'Available',
  'Progressing',
  'Degraded',
  'ModelsReady',
  'GatewayReady',
  'OpenWebUIReady',
  'TabbyReady',
  'NodeLost',
] as const;
export type ConditionType = (typeof CONDITION_TYPES)[number];

export const CONDITION_REASONS = {
  // Nothing is wrong.
  AllReady: 'Every replica and every model is ready.',
  Available: 'Requests are answered.',
  AsExpected: 'Nothing is wrong.',
  Disabled: 'The component is switched off.',
  ScaledToZero: 'There is no pod because there is no work; a request starts one.',
  RolloutComplete: 'Every pod is of the present template.',
  // On the way.
  FirstVisit: 'The operator has not looked at everything yet.',
  Starting: 'Pods are starting.',
  RollingOut: 'Pods are being replaced one after another.',
  Draining: 'A pod lets its streams finish before it stops.',
  Scaling: 'Pods are being added or taken away.',
  ModelsPulling: 'Models are being pulled.',
  Resizing: 'Volumes are growing.',
  Deleting: 'The resource is being deleted.',
  // Wrong with the resource.
  InvalidSpec: 'The resource says something that cannot be done; the message names the field.',
  DeprecatedFields: 'Old flat field names are used; the message says what to write.',
  UnpinnedImage: 'An image tag that can change under the same name is used.',
  UnsafeVersion: 'The Ollama version has known holes; the message names a safe one.',
  ReplicasReduced: 'Fewer replicas run than were asked for; the message says why.',
  // Wrong with a child.
  ImagePullFailed: 'An image cannot be pulled.',
  ContainerCrashing: 'A container ends again and again.',
  OutOfMemory: 'A container was killed because it used more memory than its limit.',
  ContainerConfigError: 'A container cannot be made: a Secret or ConfigMap it names is missing.',
  Unschedulable: 'No node takes a pod.',
  QuotaExceeded: 'A quota of the namespace forbids a pod or claim.',
  PodRefused: 'The API server or an admission policy refuses a pod.',
  ObjectRefused: 'The API server refuses an object; the message names the field.',
  NameConflict: 'An object of a name we need belongs to somebody else.',
  Forbidden: 'The operator lacks a permission; the message names it.',
  NoStorageClass: 'No StorageClass can serve the claim.',
  ClaimPending: 'A claim is not bound.',
  ClaimNotFound: 'The claim that existingClaim names is not there.',
  ServiceNotFound: 'The Service that ollamaServiceName names is not there.',
  SecretNotFound: 'The Secret that auth.secretName names is not there.',
  NodeNotReady: 'The node of a pod does not answer.',
  NodesReady: 'Every node that has a pod answers.',
  RolloutStuck: 'A pod of the new template does not become ready.',
  PodReplaced: 'A broken pod of an old template was deleted, so that it starts with the present one.',
  PodMoved: 'A pod on a node that does not answer was deleted, so that it can start elsewhere.',
  OptionalApiMissing: 'An optional part of the cluster is not installed; the message names it.',
  // Models.
  ModelsReady: 'Every model is on every pod that should have it.',
  ModelsFailed: 'A model cannot be had; the message names it.',
  ModelCorrupt: 'A model file is damaged on a pod and is being repaired.',
  InsufficientStorage: 'A model does not fit on the volume of a pod.',
  AgentUnreachable: 'The agent of a pod does not answer.',
} as const;
export type ConditionReason = keyof typeof CONDITION_REASONS;
