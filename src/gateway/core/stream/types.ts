// What the gateway reads from an answer while forwarding it untouched. Never changes a byte (strip.ts is the one exception).

/** Usage as the backend told it, in one shape for the three dialects. */
export interface Usage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly totalMs?: number;
  readonly loadMs?: number;
  readonly promptMs?: number;
  readonly evalMs?: number;
}

export interface TapReport {
  /** The dialect's terminator was seen. */
  readonly terminated: boolean;
  /** Message of an error line or event inside the stream. */
  readonly error?: string;
  readonly usage: Usage;
  /** The last byte was not the end of a line: an error must begin with a line end. */
  readonly midLine: boolean;
  readonly bytes: number;
}

/** Fed with chunks in order, cut anywhere, also inside UTF-8. Never throws; holds a bounded tail. */
export interface StreamTap {
  push(chunk: Uint8Array): void;
  /** As in the report, without making one: for a look after each chunk. */
  readonly terminated: boolean;
  report(): TapReport;
}
