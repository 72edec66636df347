// The faults that the fake can be told to commit, and which request each one hits. Never decides what a healthy answer is.

export type FaultKind =
  /** The connection is reset as soon as the request was read. */
  | 'die_at_once'
  /** The request runs; the connection is reset instead of its first byte. */
  | 'die_before_first_byte'
  | 'die_after'
  | 'stall_after'
  /** Nothing is ever answered. */
  | 'freeze'
  | 'html'
  /** Fewer bytes than Content-Length says, then the connection ends. */
  | 'short_body'
  /** More bytes than Content-Length says. */
  | 'long_body'
  /** The stream ends properly for HTTP, but without its last line or event. */
  | 'cut_after'
  /** An error as the model's answer goes on: a line in the native dialect, an empty chunk in the others. */
  | 'error_after_tokens'
  | 'status'
  | 'huge_headers'
  | 'gzip'
  /** A JSON body of `bytes`. */
  | 'huge_json'
  | 'redirect'
  /** Many 1xx answers before the real one. */
  | 'informational';

export interface Fault {
  readonly kind: FaultKind;
  /** Only requests with this path; absent = inference routes. `*` = every path. */
  readonly path?: string;
  /** Only requests for this model, spelled as in the request. */
  readonly model?: string;
  /** Body bytes (or tokens) that still come. */
  readonly after?: number;
  readonly status?: number;
  readonly message?: string;
  readonly bytes?: number;
  readonly location?: string;
  /** How many requests it hits; absent = all. */
  readonly times?: number;
}

const INFERENCE = new Set([
  '/api/generate',
  '/api/chat',
  '/api/embed',
  '/api/embeddings',
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/messages',
]);

export class FaultPlan {
  #faults: { fault: Fault; left: number }[] = [];

  set(faults: readonly Fault[]): void {
    this.#faults = faults.map(fault => ({ fault, left: fault.times ?? Infinity }));
  }

  list(): Fault[] {
    return this.#faults.map(entry => entry.fault);
  }

  /** The fault for this request, counted as used. */
  take(path: string, model: string): Fault | undefined {
    const entry = this.#faults.find(({ fault, left }) => left > 0 && concerns(fault, path, model));
    if (entry !== undefined) entry.left--;
    return entry?.fault;
  }
}

function concerns(fault: Fault, path: string, model: string): boolean {
  if (fault.model !== undefined && fault.model !== model) return false;
  if (fault.path === '*') return true;
  return fault.path === undefined ? INFERENCE.has(path) : fault.path === path;
}
