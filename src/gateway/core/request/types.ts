// What a request asks for, as read from its method, path, headers and body. Never holds the parsed body itself.
import type { ReloadOptions } from '../../../api/fleet.ts';
import type { PrefixMark } from '../scheduler/messages.ts';

/** Whose error shape and stream shape the caller expects. */
export type Dialect = 'ollama' | 'openai' | 'anthropic' | 'bigo';

/**
 * inference = takes a runner · holder = any backend that holds the model (show) · list = merged from the snapshot ·
 * change = changes models, goes to stores · blob = upload or probe of one · local = answered by the gateway itself
 */
export type RouteKind = 'inference' | 'holder' | 'list' | 'change' | 'blob' | 'local';

/** How a complete answer of the route ends (design.md §5.5). */
export type StreamShape =
  | 'ollama_ndjson' // a line with "done":true
  | 'status_ndjson' // a line with "status":"success"
  | 'openai_sse' // data: [DONE]
  | 'responses_sse' // event response.completed | failed | incomplete
  | 'anthropic_sse' // event message_stop
  | 'json'; // one JSON value, never streamed

export interface Route {
  /** Metric label and log field, e.g. `chat`, `v1_chat_completions`. */
  readonly id: string;
  readonly dialect: Dialect;
  readonly kind: RouteKind;
  readonly method: string;
  /** Path pattern, e.g. `/api/chat`, `/api/blobs/:digest`. */
  readonly path: string;
  readonly shape: StreamShape;
  /** Whether an absent `stream` means true. */
  readonly streamsByDefault: boolean;
  /** Lowest Ollama version that serves it. */
  readonly versionMin: string;
  readonly ticketKind: 'generate' | 'embed' | 'holder';
  /** Only for keys with the admin role once keys are on. */
  readonly admin: boolean;
  /** none = a body is ignored · raw = streamed through, never read. */
  readonly body: 'none' | 'json' | 'multipart' | 'raw';
}

export interface RouteMatch {
  readonly route: Route;
  /** Values of `:name` parts of the path, decoded once and checked. */
  readonly params: Readonly<Record<string, string>>;
}

/** load = empty prompt or messages · unload = the same with keep_alive 0. */
export type LoadIntent = 'none' | 'load' | 'unload';

/** A half-open byte range of the body. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Replace the bytes of `span` by `text`. Requests are only ever changed by splicing; nothing is re-serialised. */
export interface Edit {
  readonly span: Span;
  readonly text: string;
}

export interface InferenceRequest {
  /** As the client spelled it. */
  readonly model: string;
  /** The JSON string value of the model key, quotes included. */
  readonly modelSpan: Span;
  readonly stream: boolean;
  readonly intent: LoadIntent;
  readonly options: ReloadOptions;
  /** The most tokens that the answer may have, where the client says so. */
  readonly tokensMax?: number;
  readonly promptBytes: number;
  readonly prefix: readonly PrefixMark[];
  /** True when the client asked for a usage chunk in an OpenAI stream, or the shape tells usage anyway. */
  readonly usageAsked: boolean;
  /** Edits that make an OpenAI stream tell its usage; empty when usageAsked. */
  readonly usageEdits: readonly Edit[];
  /** Set when the body is a form: the model stands there bare, without quotes. */
  readonly modelInForm?: true;
}

/** What a pull, push, create, copy, delete or show asks for. */
export interface ModelChange {
  /** The model it is about, as the client spelled it (`model`, else the deprecated `name`; of copy: the source). */
  readonly model: string;
  readonly modelSpan: Span;
  /** Of copy only. */
  readonly destination?: string;
  readonly destinationSpan?: Span;
  /** Of create only: the model it is made from. */
  readonly from?: string;
  readonly fromSpan?: Span;
  readonly stream: boolean;
  readonly insecure: boolean;
  /** Digests (`sha256:…`) of the blobs that a create names in files, draft_files and adapters. */
  readonly digests: readonly string[];
}
