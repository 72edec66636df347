// Old flat names -> the nested ones. Never gives a default, and leaves a nested value alone where both were given.
import type { Spec } from './resource.ts';

interface FlatService {
  readonly serviceType?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | undefined;
  readonly servicePort?: number | undefined;
}
interface FlatIngress {
  readonly ingressEnabled?: boolean | undefined;
  readonly ingressHost?: string | undefined;
}

function nestService<Component extends FlatService & Pick<Spec['ollama'], 'service'>>(component: Component) {
  const { serviceType, servicePort, service, ...rest } = component;
  if (serviceType === undefined && servicePort === undefined) return { ...rest, ...defined({ service }) };
  return { ...rest, service: { ...defined({ type: serviceType, port: servicePort }), ...service } };
}

function nestIngress<Component extends FlatIngress & Pick<NonNullable<Spec['tabby']>, 'ingress'>>(
  component: Component,
) {
  const { ingressEnabled, ingressHost, ingress, ...rest } = component;
  if (ingressEnabled === undefined && ingressHost === undefined) return { ...rest, ...defined({ ingress }) };
  return { ...rest, ingress: { ...defined({ enabled: ingressEnabled, host: ingressHost }), ...ingress } };
}

function defined<Value extends object>(
  value: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Value]?: Exclude<Value[Key], undefined> };
}

/** The same wish without any old name; applying it again changes nothing. */
export function nested(spec: Spec): Spec {
  const { openwebui, tabby } = spec;
  return {
    ...spec,
    ollama: nestService(spec.ollama),
    ...(openwebui === undefined ? {} : { openwebui: nestIngress(nestService(openwebui)) }),
    ...(tabby === undefined ? {} : { tabby: nestIngress(nestService(tabby)) }),
  };
}
