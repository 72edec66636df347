// The configuration file: every key, its bounds and its default. Never reads a file; cli/core/to-settings.ts gives it meaning.
import * as z from 'zod';
import { parseBackendText } from './backend-spec.ts';
import {
  backendName,
  duration,
  flag,
  hostPort,
  keyed,
  listRule,
  modelName,
  size,
  slots,
  text,
  url,
  whole,
} from './config-values.ts';
import { durationText, sizeText } from './quantities.ts';
import { DEFAULT_BODY, DEFAULT_QUEUE, DEFAULT_TIME } from './settings.ts';

const aliasName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._:-]{0,79}$/, 'must be an alias of letters, digits and . _ : -');
const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be a header name');
const headerValue = z
  .string('must be text')
  .regex(/^[\t\x20-\x7e]{0,4096}$/, 'must be plain text of one line');

const backendObject = z.strictObject({
  url: keyed('text', 'Address of one Ollama server.', url()),
  name: keyed(
    'text',
    'Stable name; what logs, metrics and rules say. Default: host:port.',
    backendName().optional(),
  ),
  slots: keyed('whole', 'Parallel requests of each loaded model. Absent = learned.', slots().optional()),
  store: keyed('text', 'Backends with the same store share one models folder.', backendName().optional()),
  class: keyed(
    'text',
    'Backends of one class are equally fast; what is learned is shared.',
    backendName().optional(),
  ),
  bearer: keyed('secret', 'Token sent to this backend as `Authorization: Bearer`.', headerValue.optional()),
  headers: keyed(
    'secret',
    'Further request headers for this backend only.',
    z.record(headerName, headerValue).optional(),
  ),
  ca_file: keyed('path', 'PEM file of a private CA for this backend.', text('must be a path').optional()),
});
export type BackendConfig = z.output<typeof backendObject>;

const backendItem = z.union([
  z
    .string()
    .refine(
      input => !('problem' in parseBackendText(input)),
      'must be URL[,name=N][,slots=S][,store=ID][,class=C]',
    ),
  backendObject,
]);

const ollama = z.strictObject({
  enabled: keyed('flag', 'false: `endpoint`, `clusters` and `routing` are left out.', flag().prefault(true)),
  endpoint: keyed('text', 'One Ollama server or cluster address.', url().optional()),
  max_concurrent: keyed(
    'whole',
    'Parallel requests of each model that `endpoint`, or each of `clusters`, is sent at a time. Absent = learned.',
    slots().optional(),
  ),
  models: z
    .strictObject({
      fast: keyed('text', 'Model behind the alias `fast`.', modelName().optional()),
      default: keyed(
        'text',
        'Model behind the alias `default`; what `bigo run` and `bigo chat` take.',
        modelName().optional(),
      ),
      reasoning: keyed('text', 'Model behind the alias `reasoning`.', modelName().optional()),
    })
    .prefault({}),
  routing: keyed(
    'items',
    'Rules: the model is served only by the named backends.',
    z
      .array(
        z.strictObject({
          model: keyed('text', 'Model that the rule is about.', modelName()),
          pods: keyed(
            'list',
            'Names of the backends that may serve it.',
            z.array(backendName(), listRule).min(1, 'must name at least one backend').max(1000),
          ),
        }),
        listRule,
      )
      .max(1000, 'must hold at most 1000 rules')
      .prefault([]),
  ),
  clusters: keyed(
    'items',
    'Several clusters instead of `endpoint`. `priority` is checked and shown but not used yet.',
    z
      .array(
        z.strictObject({
          name: keyed('text', 'Name of the cluster.', backendName()),
          endpoint: keyed('text', 'Its address.', url()),
          priority: keyed('whole', 'Lower comes first. Not used yet.', whole(0, 1000).prefault(1)),
        }),
        listRule,
      )
      .max(100, 'must hold at most 100 clusters')
      .prefault([]),
  ),
});

const bus = z.strictObject({
  type: keyed(
    'text',
    '`memory` = a queue in this process. `redis` is not built yet.',
    z.enum(['memory', 'redis'], 'must be memory').prefault('memory'),
  ),
  endpoint: keyed(
    'text',
    'Address of the bus. Used only with a type other than memory.',
    text('must be a URL').optional(),
  ),
  queue_size: keyed(
    'whole',
    'Requests that may wait; the next one gets 429.',
    whole(1, 1_000_000).prefault(DEFAULT_QUEUE.ticketsMax),
  ),
});

const queue = z.strictObject({
  bytes_max: keyed(
    'text',
    'Bodies held for waiting and arriving requests together.',
    size(1024 ** 2, 64 * 1024 ** 3).prefault(sizeText(DEFAULT_QUEUE.bytesMax)),
  ),
  wait_max: keyed(
    'text',
    'Longest wait in the queue; then 503.',
    duration(100, 24 * 3_600_000).prefault(durationText(DEFAULT_QUEUE.waitMsMax)),
  ),
});

const limit = (help: string, [minMs, maxMs]: readonly [number, number], defaultMs: number) =>
  keyed('text', help, duration(minMs, maxMs).prefault(durationText(defaultMs)));
const dayMs = 24 * 3_600_000;

const time = z.strictObject({
  connect_max: limit('Connecting to a backend.', [50, 60_000], DEFAULT_TIME.connectMsMax),
  first_byte_max: limit(
    'From dispatch to a loaded model until its first byte.',
    [100, dayMs],
    DEFAULT_TIME.firstByteMsMax,
  ),
  load_max: limit('Loading a model.', [1000, dayMs], DEFAULT_TIME.loadMsMax),
  idle_max: limit('Between two pieces of a streamed answer.', [100, dayMs], DEFAULT_TIME.idleMsMax),
  write_stall_max: limit('A client that reads nothing.', [1000, dayMs], DEFAULT_TIME.writeStallMsMax),
  receive_max: limit(
    "Receiving a request's head, and between two pieces of its body.",
    [500, dayMs],
    DEFAULT_TIME.receiveMsMax,
  ),
  drain_grace: keyed(
    'text',
    'After SIGTERM, new connections are taken until no request has come for this long (drain_max at most): load balancers need time to notice.',
    duration(0, 600_000).prefault('0ms'),
  ),
  drain_max: limit('Letting streams finish after SIGTERM.', [0, dayMs], DEFAULT_TIME.drainMsMax),
});

const body = z.strictObject({
  json_max: keyed(
    'text',
    'Largest JSON body of a request.',
    size(1024, 4 * 1024 ** 3).prefault(sizeText(DEFAULT_BODY.jsonBytesMax)),
  ),
  held_answer_max: keyed(
    'text',
    'Largest answer that is held complete when the client asked for no stream.',
    size(1024 ** 2, 4 * 1024 ** 3).prefault(sizeText(DEFAULT_BODY.heldAnswerBytesMax)),
  ),
});

const kubernetes = z.strictObject({
  selector: keyed(
    'text',
    'Label selector of pods that are backends, each by its own name. Absent = none are looked for.',
    text('must be a label selector').optional(),
  ),
  namespace: keyed(
    'text',
    'Namespace of these pods. Absent = the namespace of the gateway.',
    text('must be a namespace').optional(),
  ),
  kubeconfig: keyed(
    'path',
    'Kubeconfig file of the cluster. Absent = the service account of the pod.',
    text('must be a path').optional(),
  ),
  port: keyed('whole', 'Port of Ollama in these pods.', whole(1, 65_535).prefault(11_434)),
  agent_port: keyed('whole', 'Port of `bigo agent` in these pods.', whole(1, 65_535).optional()),
  slots: keyed(
    'whole',
    'Parallel requests of each loaded model of these pods. Absent = learned.',
    slots().optional(),
  ),
  store: keyed(
    'text',
    'Name of the models folder that these pods share. Absent = each has its own.',
    backendName().optional(),
  ),
  writer_selector: keyed(
    'text',
    'Label selector of the pod that alone may write into the folder that `store` names. Absent = each pod may.',
    text('must be a label selector').optional(),
  ),
  gateway_selector: keyed(
    'text',
    'Label selector of the gateways that share these pods. Absent = this gateway is alone.',
    text('must be a label selector').optional(),
  ),
  fleet: keyed(
    'text',
    'Name of the fleet that these pods are: the label of `bigo_fleet_demand`, by which it is scaled.',
    text('must be a name').optional(),
  ),
});

const gateway = z.strictObject({
  listen: keyed(
    'text',
    'Address that clients call. `bigo up` takes the next free port when none was given.',
    hostPort().prefault('127.0.0.1:11434'),
  ),
  admin: keyed(
    'text',
    'Address of /livez, /readyz, /metrics and /bigo/v1. A port that is taken is only replaced when none was given.',
    hostPort().prefault('127.0.0.1:11480'),
  ),
  backends: keyed(
    'items',
    'Ollama servers, as text like `--backend` or as objects. Replaces `workers.ollama.endpoint` and `clusters`.',
    z.array(backendItem, listRule).max(1000, 'must hold at most 1000 backends').prefault([]),
  ),
  aliases: keyed(
    'map',
    'Further names for models: alias → model.',
    z.record(aliasName, modelName(), 'must map aliases to model names').prefault({}),
  ),
  declared_models: keyed(
    'list',
    'Models that should exist: requests for them wait even while no backend has them.',
    z.array(modelName(), listRule).max(1000).prefault([]),
  ),
  origins: keyed(
    'list',
    'Web origins that browsers may call from, beside loopback; `*` = any.',
    z.array(text('must be an origin'), listRule).max(1000).prefault([]),
  ),
  hosts: keyed(
    'list',
    'Host names that clients may call the gateway by, beside loopback and addresses; `*` = any.',
    z.array(text('must be a host name'), listRule).max(1000).prefault([]),
  ),
  insecure: keyed('flag', 'true: serve other addresses than loopback without keys.', flag().prefault(false)),
  keys_file: keyed(
    'path',
    'File of API keys (`bigo keys`). With it every request needs a key.',
    text('must be a path').optional(),
  ),
  journal_dir: keyed(
    'path',
    'Folder of the usage journal. Absent = kept in memory only.',
    text('must be a path').optional(),
  ),
  admin_token: keyed(
    'secret',
    'Token that the admin address wants off loopback.',
    text('must be text').optional(),
  ),
  tls: z
    .strictObject({
      cert_file: keyed('path', 'PEM file of the certificate for `listen`.', text('must be a path')),
      key_file: keyed('path', 'PEM file of its private key.', text('must be a path')),
    })
    .optional(),
  anonymous_role: keyed(
    'text',
    'What callers may do while there are no keys: `admin` = all, `inference` = all but changing models.',
    z.enum(['admin', 'inference'], 'must be admin or inference').prefault('admin'),
  ),
  kubernetes: kubernetes.prefault({}),
  queue: queue.prefault({}),
  time: time.prefault({}),
  body: body.prefault({}),
});

const engine = z.strictObject({
  count: keyed('whole', 'Engines that `bigo up` starts when it finds no Ollama.', whole(1, 64).prefault(2)),
  model: keyed('text', 'Model that `bigo up` makes sure of.', modelName().optional()),
});

export const configSchema = z.strictObject({
  workers: z.strictObject({ ollama: ollama.prefault({}) }).prefault({}),
  bus: bus.prefault({}),
  gateway: gateway.prefault({}),
  engine: engine.prefault({}),
});
export type Config = z.output<typeof configSchema>;
