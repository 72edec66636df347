// Every error BigO can answer with: whose fault, whether trying again helps, the HTTP status, what to do next.
// Never holds a dialect's shape: gateway/core/stream/errors.ts writes these as Ollama, OpenAI or Anthropic.

export type Fault = 'client' | 'gateway' | 'backend' | 'fleet';

export interface ErrorKind {
  readonly fault: Fault;
  readonly retryable: boolean;
  readonly status: number;
  /** What the reader does next; the message itself is written where the error is raised. */
  readonly next: string;
}

const client = (status: number, next: string): ErrorKind => ({
  fault: 'client',
  retryable: false,
  status,
  next,
});
const backend = (status: number, next: string): ErrorKind => ({
  fault: 'backend',
  retryable: true,
  status,
  next,
});
const fleet = (status: number, next: string): ErrorKind => ({
  fault: 'fleet',
  retryable: true,
  status,
  next,
});

export const ERRORS = {
  bad_json: client(400, 'Send one JSON object as the body.'),
  bad_request: client(400, 'Correct the named field.'),
  bad_http: client(400, 'Send a well-formed HTTP/1.1 request.'),
  ambiguous_key: client(400, 'Send each of these keys once, in lower case.'),
  missing_model: client(400, 'Name a model.'),
  invalid_model_name: client(400, 'Write the model as [host/][namespace/]name[:tag].'),
  unauthorized: client(401, 'Send a valid key as `Authorization: Bearer …` or `x-api-key`.'),
  forbidden_model: client(403, 'Ask for a model that this key may use.'),
  forbidden_route: client(403, 'Use a key with the admin role.'),
  forbidden_origin: client(403, 'Add the origin to `origins` in the configuration.'),
  forbidden_host: client(403, 'Call the gateway by a configured host name or address.'),
  not_served: client(403, 'This route is not offered by the gateway.'),
  model_not_found: client(404, 'Pull the model, or ask for one that `bigo ls` shows.'),
  unknown_path: client(404, 'See docs/api.md for the paths that are served.'),
  wrong_method: client(405, 'Use a method of the Allow header.'),
  request_timeout: client(408, 'Send the request faster.'),
  loop_detected: client(508, 'Take this gateway out of its own list of backends.'),
  too_large: client(413, 'Send a smaller body.'),
  unsupported_encoding: client(415, 'Send the body as JSON without content encoding.'),
  headers_too_large: client(431, 'Send fewer or shorter headers.'),
  client_gone: client(499, 'Nobody is left to answer.'),
  queue_full: { ...fleet(429, 'Try again after Retry-After.'), fault: 'client' },
  queue_bytes_full: {
    ...fleet(429, 'Try again after Retry-After, or send smaller bodies.'),
    fault: 'client',
  },
  queue_timeout: fleet(503, 'Try again after Retry-After, or add backends.'),
  no_backend: fleet(503, 'Try again after Retry-After; `bigo status` shows which backends are down.'),
  draining: fleet(503, 'Try again: another gateway, or this one after its restart, will answer.'),
  backend_unreachable: backend(502, 'See `bigo status` and the log of the named backend.'),
  backend_failed: backend(502, 'See the log of the named backend.'),
  backend_invalid: backend(502, 'Check that the named backend is an Ollama server.'),
  backend_too_large: backend(502, 'Ask for a stream: the whole answer is over the limit that is held.'),
  load_failed: backend(
    502,
    'See the log of the named backend; the model may be corrupt or too large for it.',
  ),
  first_byte_timeout: backend(504, 'Try again; the named backend was silent for too long.'),
  backend_frozen: backend(504, 'Try again; the named backend no longer answers anything.'),
  stream_cut: backend(502, 'Ask again.'),
  stream_stalled: backend(504, 'Ask again.'),
  stream_error: backend(502, 'Ask again.'),
  store_unreachable: fleet(502, 'The change is applied on the named backend when it returns.'),
  not_implemented: { fault: 'gateway', retryable: false, status: 501, next: 'See docs/api.md.' },
  port_in_use: client(500, 'Choose another port with --listen or --admin, or end the program that uses it.'),
  cannot_listen: client(500, 'Choose another address with --listen or --admin.'),
  unsafe_listen: client(500, 'Give --keys FILE, listen on 127.0.0.1, or accept the risk with --insecure.'),
  keys_file: client(500, 'Correct the keys file; `bigo keys create` prints a valid entry.'),
  journal_folder: client(500, 'Name another folder for the usage journal, or make this one writable.'),
  no_cluster: client(
    500,
    'Give --kubeconfig FILE or set KUBECONFIG; a person has it in ~/.kube/config, a pod needs a service account.',
  ),
  bad_kubeconfig: client(500, 'Correct the file, or name another with --kubeconfig FILE.'),
  lease_lost: fleet(
    503,
    'Nothing to do: another operator leads now, and this one starts again as its stand-in.',
  ),
  cache_not_synced: fleet(
    503,
    'Check that the API server answers and that the operator may list what it watches.',
  ),
  usage_file: client(500, 'Name another file for usage with --data, or make this one writable.'),
  cluster_away: fleet(503, 'Check that the API server answers, and what the manager may do there.'),
  deployment_not_found: client(404, 'Ask for one that `kubectl get ollamadeployments` shows.'),
  gateway_away: {
    fault: 'gateway',
    retryable: true,
    status: 502,
    next: 'Start the gateway again, or name its address with --gateway.',
  },
  internal: { fault: 'gateway', retryable: true, status: 500, next: 'Report this with the request id.' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that reaches a client. `message` is a full sentence without a stack; `backend` names who is to blame. */
export class BigoError extends Error {
  readonly code: ErrorCode;
  readonly backend: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, extra: { backend?: string; retryAfterMs?: number } = {}) {
    super(message);
    this.name = 'BigoError';
    this.code = code;
    this.backend = extra.backend;
    this.retryAfterMs = extra.retryAfterMs;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}
