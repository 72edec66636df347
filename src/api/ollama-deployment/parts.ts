// Blocks that several components of the resource share: resources, Service, Ingress, volumes, and the old flat names.
// Never holds a default that an old flat name could stand for: resolve.ts gives those.
import * as z from 'zod';
import {
  type CelRule,
  dnsNameOrEmpty,
  field,
  hostName,
  keyedBy,
  podPart,
  port,
  quantity,
  quantityText,
  text,
  textMap,
} from './fields.ts';

const resourceList = (description: string) =>
  field(description, z.record(z.string(), quantity()).meta({ maxProperties: 16 }));

export const resources = () =>
  field(
    'What the container asks for and may use at most. `storage` sets the size of the volume, it is no resource of a container.',
    z.object({
      limits: resourceList(
        'Most that the container may use: cpu, memory, ephemeral-storage, GPUs.',
      ).optional(),
      requests: resourceList('What is set aside for the container when a node is chosen.').optional(),
    }),
  );

export const service = () =>
  field(
    'The Service of this component.',
    z.object({
      type: field(
        'ClusterIP (default; reached inside the cluster only), NodePort or LoadBalancer.',
        z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).optional(),
      ),
      port: field('Port of the Service; the process behind it keeps its own.', port().optional()),
      annotations: field(
        'Annotations of the Service, for example for a load balancer.',
        textMap(32, 4096).optional(),
      ),
    }),
  );

export const ingress = () =>
  field(
    'An Ingress for this component; made when enabled and a host is given.',
    z.object({
      enabled: field('true: make the Ingress.', z.boolean().optional()),
      host: field('Host name that clients call, such as ollama.example.com.', hostName().optional()),
      className: field(
        'IngressClass; empty = the default class of the cluster.',
        dnsNameOrEmpty().optional(),
      ),
      annotations: field('Annotations of the Ingress, for its controller.', textMap(32, 4096).optional()),
      tls: field(
        'TLS of the Ingress.',
        z
          .object({
            hosts: field(
              'Hosts of the certificate; absent = the host of the Ingress.',
              z.array(hostName()).max(16).optional(),
              { 'x-kubernetes-list-type': 'atomic' },
            ),
            secretName: field('Secret of type kubernetes.io/tls.', dnsNameOrEmpty().optional()),
          })
          .optional(),
      ),
    }),
  );

/** The names of the first examples. Each is the same as the nested one; both together are refused. */
export const flatService = {
  serviceType: field(
    'Old name of service.type; write that instead.',
    z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).optional(),
  ),
  servicePort: field('Old name of service.port; write that instead.', port().optional()),
};
export const flatIngress = {
  ingressEnabled: field('Old name of ingress.enabled; write that instead.', z.boolean().optional()),
  ingressHost: field('Old name of ingress.host; write that instead.', hostName().optional()),
};

const notBoth = (flat: string, block: string, name: string): CelRule => ({
  rule: `!(has(self.${flat}) && has(self.${block}) && has(self.${block}.${name}))`,
  message: `give ${block}.${name} or its old name ${flat}, not both: remove ${flat}`,
  fieldPath: `.${flat}`,
  reason: 'FieldValueForbidden',
});
export const flatServiceRules: readonly CelRule[] = [
  notBoth('serviceType', 'service', 'type'),
  notBoth('servicePort', 'service', 'port'),
];
const ingressNeedsHost: CelRule = {
  rule: '!((has(self.ingress) && has(self.ingress.enabled) && self.ingress.enabled) || (has(self.ingressEnabled) && self.ingressEnabled)) || (has(self.ingress) && has(self.ingress.host)) || has(self.ingressHost)',
  message: 'an Ingress needs a host: give ingress.host',
  fieldPath: '.ingress',
  reason: 'FieldValueRequired',
};
export const flatIngressRules: readonly CelRule[] = [
  notBoth('ingressEnabled', 'ingress', 'enabled'),
  notBoth('ingressHost', 'ingress', 'host'),
  ingressNeedsHost,
];

export const persistence = (size: string) =>
  field(
    'The volume that keeps the data of this component.',
    z.object({
      enabled: field('false: data are lost with the pod.', z.boolean().default(true)),
      size: field('Size of the volume; may only grow.', quantityText().default(size)),
      storageClassName: field(
        'StorageClass; empty = the default class of the cluster. Cannot be changed later.',
        dnsNameOrEmpty().optional(),
      ),
      existingClaim: field(
        'Name of a claim that you made; nothing is made then.',
        dnsNameOrEmpty().optional(),
      ),
      retention: field(
        'What becomes of the claim when the component or the resource goes: Retain (default) or Delete.',
        z.enum(['Retain', 'Delete']).default('Retain'),
      ),
    }),
  );

export const envVars = () =>
  field(
    'Further environment variables of the container, as in a pod.',
    z
      .array(
        z.object({
          name: field('Name of the variable.', z.string().min(1).max(256)),
          value: field('Its value.', text(32_768).optional()),
          valueFrom: podPart('Where the value comes from, as in a pod.').optional(),
        }),
      )
      .max(100),
    keyedBy('name'),
  );
