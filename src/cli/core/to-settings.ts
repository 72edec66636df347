// A checked configuration as the settings of a gateway, and what people should know about it. Pure: files were read before.
import { makeBackendSpec, parseBackendText } from '../../api/backend-spec.ts';
import type { BackendConfig, Config } from '../../api/config.ts';
import type { BackendSpec } from '../../api/fleet.ts';
import type { GatewaySettings, KubernetesDiscovery, RoutingRule } from '../../api/settings.ts';

/** Contents of the files that the configuration names, by path. */
export type FileTexts = Readonly<Record<string, string>>;

export function toSettings(config: Config, files: FileTexts = {}): GatewaySettings {
  const { gateway, workers, bus } = config;
  const backends = configuredBackends(config, files);
  return {
    listen: gateway.listen,
    admin: gateway.admin,
    backends,
    aliases: { ...definedOnly(workers.ollama.models), ...gateway.aliases },
    routing: workers.ollama.enabled ? workers.ollama.routing.map(rule => toRule(rule, backends)) : [],
    declaredModels: gateway.declared_models,
    queue: {
      ticketsMax: bus.queue_size,
      bytesMax: gateway.queue.bytes_max,
      waitMsMax: gateway.queue.wait_max,
    },
    time: toTimeLimits(gateway.time),
    body: { jsonBytesMax: gateway.body.json_max, heldAnswerBytesMax: gateway.body.held_answer_max },
    origins: gateway.origins,
    hosts: gateway.hosts,
    insecure: gateway.insecure,
    anonymousRole: gateway.anonymous_role,
    ...toKubernetes(gateway.kubernetes),
    ...optionalSettings(gateway),
  };
}

function optionalSettings(gateway: Config['gateway']): Partial<GatewaySettings> {
  return {
    ...(gateway.keys_file === undefined ? {} : { keysFile: gateway.keys_file }),
    ...(gateway.journal_dir === undefined ? {} : { journalDir: gateway.journal_dir }),
    ...(gateway.admin_token === undefined ? {} : { adminToken: gateway.admin_token }),
    ...(gateway.tls === undefined
      ? {}
      : { tls: { certFile: gateway.tls.cert_file, keyFile: gateway.tls.key_file } }),
  };
}

/** Watching pods is asked for by naming them. */
function toKubernetes(wish: Config['gateway']['kubernetes']): { kubernetes?: KubernetesDiscovery } {
  const { selector, port, agent_port: agentPort, ...more } = wish;
  const { gateway_selector: gatewaySelector, writer_selector: writerSelector, ...rest } = more;
  if (selector === undefined) return {};
  const named = definedOnly({ ...rest, agentPort, gatewaySelector, writerSelector });
  return { kubernetes: { selector, port, ...named } };
}

function toTimeLimits(time: Config['gateway']['time']): GatewaySettings['time'] {
  return {
    connectMsMax: time.connect_max,
    firstByteMsMax: time.first_byte_max,
    loadMsMax: time.load_max,
    idleMsMax: time.idle_max,
    writeStallMsMax: time.write_stall_max,
    receiveMsMax: time.receive_max,
    drainMsMax: time.drain_max,
    drainGraceMs: time.drain_grace,
  };
}

/** The first of these that is given: gateway.backends, workers.ollama.clusters, workers.ollama.endpoint. */
function configuredBackends(config: Config, files: FileTexts): BackendSpec[] {
  const { ollama } = config.workers;
  if (config.gateway.backends.length > 0) return config.gateway.backends.map(item => toSpec(item, files));
  if (!ollama.enabled) return [];
  const slots = ollama.max_concurrent === undefined ? {} : { slots: ollama.max_concurrent };
  if (ollama.clusters.length > 0) {
    return ollama.clusters.map(({ name, endpoint }) =>
      makeBackendSpec(endpoint, { name, class: name, ...slots }),
    );
  }
  return ollama.endpoint === undefined ? [] : [makeBackendSpec(ollama.endpoint, slots)];
}

function toSpec(item: string | BackendConfig, files: FileTexts): BackendSpec {
  if (typeof item === 'string') {
    const spec = parseBackendText(item);
    if ('problem' in spec) throw new Error(`unchecked backend: ${spec.problem}`);
    return spec;
  }
  const headers = {
    ...item.headers,
    ...(item.bearer === undefined ? {} : { authorization: `Bearer ${item.bearer}` }),
  };
  const ca = item.ca_file === undefined ? undefined : files[item.ca_file];
  return {
    ...makeBackendSpec(
      item.url,
      definedOnly({ name: item.name, slots: item.slots, store: item.store, class: item.class }),
    ),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(ca === undefined ? {} : { ca }),
  };
}

function definedOnly<Value extends object>(value: Value): { [Key in keyof Value]: NonNullable<Value[Key]> } {
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Value]: NonNullable<Value[Key]> };
}

/** A pod is named by its backend's name, or by the first label of its host: `ollama-0` is `http://ollama-0.ollama:11434`. */
function toRule(
  rule: { model: string; pods: readonly string[] },
  backends: readonly BackendSpec[],
): RoutingRule {
  const names = rule.pods.flatMap(pod => {
    const exact = backends.filter(backend => backend.name === pod);
    const found = exact.length > 0 ? exact : backends.filter(backend => firstLabel(backend.url) === pod);
    return found.length > 0 ? found.map(backend => backend.name) : [pod];
  });
  return { model: rule.model, backends: [...new Set(names)] };
}

function firstLabel(url: string): string {
  const host = url.replace(/^https?:\/\//, '').replace(/:\d+$/, '');
  return /^[\d.]+$/.test(host) ? host : (host.split('.')[0] ?? host);
}

/** True things that a person would want to hear before they wonder. */
export function configNotes(config: Config): string[] {
  const { ollama } = config.workers;
  const hasOwnBackends = config.gateway.backends.length > 0;
  const known = new Set(configuredBackends(config, {}).map(backend => backend.name));
  const strangers = toSettings(config)
    .routing.flatMap(rule => rule.backends)
    .filter(name => known.size > 0 && !known.has(name));
  const notes: readonly (readonly [boolean, string])[] = [
    [
      hasOwnBackends && ollama.enabled && (ollama.endpoint !== undefined || ollama.clusters.length > 0),
      'gateway.backends is given, so workers.ollama.endpoint and clusters are left out',
    ],
    [
      !hasOwnBackends && ollama.endpoint !== undefined && ollama.clusters.length > 0,
      'workers.ollama.clusters is given, so workers.ollama.endpoint is left out',
    ],
    [
      !hasOwnBackends && new Set(ollama.clusters.map(cluster => cluster.priority)).size > 1,
      'workers.ollama.clusters[].priority is not used yet: requests go where the answer comes soonest, and a cluster that is down is left out',
    ],
    [
      config.bus.endpoint !== undefined && config.bus.type === 'memory',
      'bus.endpoint is not used with bus.type memory',
    ],
    [
      ollama.max_concurrent !== undefined && (hasOwnBackends || !ollama.enabled),
      'workers.ollama.max_concurrent only concerns workers.ollama.endpoint and clusters: give `slots` to each backend',
    ],
    [
      strangers.length > 0,
      `workers.ollama.routing names backends that are not configured: ${[...new Set(strangers)].join(', ')}`,
    ],
  ];
  return notes.filter(([applies]) => applies).map(([, note]) => note);
}
