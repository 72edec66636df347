// Findings that are meant to stay, each with its reason. Never wider than the reason goes; a row that nobody needs fails the test.
import type { Finding } from './judges.ts';

export interface Exception {
  readonly tool: Finding['tool'];
  readonly check: string;
  /** Fits `set Kind/name:container`. */
  readonly where: RegExp;
  /** Where one check finds several things: words of the one that is meant. */
  readonly says?: string;
  readonly reason: string;
}

/** The same matter under the names that two tools have for it. */
function both(kubeScore: string, checkov: string, where: RegExp, reason: string): Exception[] {
  return [
    { tool: 'kube-score', check: kubeScore, where, reason },
    { tool: 'checkov', check: checkov, where, reason },
  ];
}

const score = (check: string, where: RegExp, reason: string): Exception => ({
  tool: 'kube-score',
  check,
  where,
  reason,
});
const checkov = (check: string, where: RegExp, reason: string): Exception => ({
  tool: 'checkov',
  check,
  where,
  reason,
});

const GATEWAY = /Deployment\/\S*gateway/;
const OLLAMA = /(StatefulSet|Deployment)\/(\S*-)?ollama(:|$)/;
const OTHERS = /^resource-\S+ Deployment\/\S+-(openwebui|tabby)/;

const images = [
  ...both(
    'container-image-pull-policy',
    'CKV_K8S_15',
    / /,
    'Every image has a fixed tag, and clusters without a way to a registry must be able to start a pod anew.',
  ),
  checkov(
    'CKV_K8S_43',
    / /,
    'A digest is what a person adds: every image can be named by one (chart: image.digest).',
  ),
  ...both(
    'container-image-tag',
    'CKV_K8S_14',
    /^resource-\S+ Deployment\/\S+-tabby/,
    'The resource names no tag for Tabby; the definition of the field gives `latest` then.',
  ),
  ...both(
    'container-image-tag',
    'CKV_K8S_14',
    /^resource-seed-full StatefulSet\/full-ollama-ollama/,
    'This resource of the original documents asks for the tag `latest` itself.',
  ),
];

const resources = [
  ...both(
    'container-resources',
    'CKV_K8S_11',
    / (Deployment|StatefulSet|Job)\//,
    'A CPU limit throttles a program that shares idle cores anyway; requests share them out. Memory has limits. ' +
      'Other limits come from the resource, from a profile’s LimitRange, or from the chart’s values.',
  ),
  checkov(
    'CKV_K8S_13',
    /^resource-\S+ (StatefulSet\/\S+-ollama|Deployment\/open-gateway)$/,
    'How much memory models take is known only to the person who chooses them; these resources name no limit.',
  ),
  checkov('CKV_K8S_10', /^resource-gpu-and-scheduling /, 'The API server takes the limits as requests.'),
  checkov('CKV_K8S_12', /^resource-gpu-and-scheduling /, 'The API server takes the limits as requests.'),
  score(
    'container-ephemeral-storage-request-and-limit',
    / /,
    'What is written goes to volumes: claims, or emptyDirs. A limit on the rest would evict a pod that streams.',
  ),
];

const security = [
  ...both(
    'container-security-context-readonlyrootfilesystem',
    'CKV_K8S_22',
    OTHERS,
    'The images of OpenWebUI and Tabby write beside their own program files.',
  ),
  score(
    'container-security-context-user-group-id',
    OTHERS,
    'The files of these images belong to the group 0; the user is not root.',
  ),
  checkov(
    'CKV_K8S_35',
    GATEWAY,
    'The token of the admin port is read once at the start; the keys of people are in a file.',
  ),
  checkov(
    'CKV_K8S_35',
    /Deployment\/\S+-(openwebui|tabby)$/,
    'OpenWebUI and Tabby take what signs their sessions, and OpenWebUI its key, from the environment only.',
  ),
  checkov(
    'CKV_K8S_35',
    /CronJob\/model-health-check$/,
    'A shell script that lives for seconds sends the key with its request.',
  ),
  checkov('CKV_K8S_38', GATEWAY, 'The gateway watches the pods in front of which it stands.'),
  checkov(
    'CKV_K8S_38',
    /Deployment\/(llm-operator-controller-manager|model-manager)$/,
    'Its work is in the API.',
  ),
  checkov('CKV_K8S_38', /Job\/bigo-secrets$/, 'It writes the keys that it makes into Secrets.'),
  checkov(
    'CKV_K8S_21',
    /^resource-/,
    'A resource without a namespace: a person’s kubectl puts it into theirs.',
  ),
];

const network = [
  {
    ...score(
      'pod-networkpolicy',
      / (Deployment|StatefulSet)\//,
      'Egress is open: models come from registries whose addresses nobody can list.',
    ),
    says: 'egress',
  },
  score(
    'pod-networkpolicy',
    /^install Deployment\/llm-operator-controller-manager$/,
    'Its one port gives probes and figures to whoever collects them; the chart can close it.',
  ),
  score(
    'pod-networkpolicy',
    /^profile-model-hosting Deployment\/model-manager$/,
    'People call it from anywhere through its node port.',
  ),
  score('pod-networkpolicy', /^resource-network-off /, 'This resource switches the policies off.'),
  ...both(
    'pod-networkpolicy',
    'CKV2_K8S_6',
    / (Job|Pod)\/(bigo-secrets|ollama-model-loader|bigo-test)$/,
    'It listens to nobody outside its own pod and ends.',
  ),
  score('pod-networkpolicy', /CronJob\/model-health-check$/, 'It listens to nobody and ends.'),
  checkov('CKV2_K8S_6', /^resource-network-off Pod\//, 'This resource switches the policies off.'),
  score(
    'service-type',
    /^profile-model-hosting Service\/model-manager-nodeport$/,
    'The seed documents call this port.',
  ),
  score('service-type', /^resource-gateway-off /, 'This resource asks for a NodePort.'),
];

const oneHost =
  'Topology spread does it: over nodes where that is possible, and a full cluster still gets its pods.';
const availability = [
  score('deployment-has-host-podantiaffinity', / Deployment\//, oneHost),
  score('statefulset-has-host-podantiaffinity', / StatefulSet\//, oneHost),
  score(
    'deployment-replicas',
    /Deployment\/(model-manager|ollama|ollama-gateway|\S+-(openwebui|tabby))$/,
    'One pod where one is asked for, or where a volume belongs to one node.',
  ),
  score(
    'deployment-strategy',
    OTHERS,
    'A volume of one node cannot be handed over while the old pod holds it.',
  ),
  score('deployment-strategy', /^profile-production Deployment\/ollama$/, 'Its claim belongs to one node.'),
  score('statefulset-has-servicename', /StatefulSet\/\S*writer$/, 'Nobody calls the writer by name.'),
  score(
    'horizontalpodautoscaler-has-target',
    /^resource-autoscaling-/,
    'The target is the scale of the resource, which the operator passes on; it is not among what the operator makes.',
  ),
];

const probes = [
  score(
    'pod-probes-identical',
    OTHERS,
    'These programs have one health address; liveness waits longer than readiness before it acts.',
  ),
  checkov(
    'CKV_K8S_9',
    OLLAMA,
    'A busy Ollama is slow, not away; the agent beside it says whether the pod is ready.',
  ),
  checkov('CKV_K8S_9', /StatefulSet\/\S*writer$/, 'The agent beside it says whether the pod is ready.'),
  checkov('CKV_K8S_8', /^chart Pod\/bigo-test$/, 'A pod of `helm test`: it asks and ends.'),
  checkov('CKV_K8S_9', /^chart Pod\/bigo-test$/, 'A pod of `helm test`: it asks and ends.'),
];

/** Definitions of others, of which this repository has no schema; the real API server is not asked for them either. */
const foreign = [
  'ServiceMonitor',
  'PrometheusRule',
  'ScaledObject',
  'Certificate',
  'IngressRoute',
  'Middleware',
].map((kind): Exception => ({
  tool: 'kubeconform',
  check: 'statusError',
  where: new RegExp(` ${kind}/`),
  reason: `The definition of ${kind} belongs to another program and cannot be had from a package registry.`,
}));

export const exceptions: readonly Exception[] = [
  ...images,
  ...resources,
  ...security,
  ...network,
  ...availability,
  ...probes,
  ...foreign,
];
