// A refusal of the API server, or its silence, as one error with the parsed Status. Never carries a token or a body that was sent.

export interface KubeStatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

export interface KubeStatus {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: { readonly retryAfterSeconds?: number; readonly causes?: readonly KubeStatusCause[] };
}

export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP status; 0 when no answer came. */
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: number, status: KubeStatus, retryAfterMs?: number) {
    super(status.message ?? `the API server answered ${code}`);
    this.code = code;
    this.reason = status.reason ?? '';
    const seconds = status.details?.retryAfterSeconds;
    this.retryAfterMs = retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000);
  }
}

export function kubeCode(error: unknown): number | undefined {
  return error instanceof KubeError ? error.code : undefined;
}

export function unreachable(server: string, error: unknown): KubeError {
  const cause = error instanceof Error ? error : new Error(String(error));
  const detail = (cause as NodeJS.ErrnoException).code ?? cause.message;
  return new KubeError(0, {
    reason: 'Unreachable',
    message: `no answer from the API server ${server}: ${detail}`,
  });
}

/** Only numbers: the API server sends seconds. */
export function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}
