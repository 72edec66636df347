// Why an exchange with a backend came to nothing, in one word and in one sentence. Never holds a stack for people.

/**
 * refused = nothing listens · name = the host name is not known · unreachable = no way to the host · silent = a time limit ·
 * reset = the connection ended early · too_large = over a byte limit · aborted = we hung up · protocol = not HTTP
 */
export type FailureKind =
  'refused' | 'name' | 'unreachable' | 'silent' | 'reset' | 'too_large' | 'aborted' | 'protocol' | 'other';

export class HttpFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.name = 'HttpFailure';
    this.kind = kind;
  }
}

const KIND_OF_CODE: Readonly<Record<string, FailureKind>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'name',
  EAI_AGAIN: 'name',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'silent',
  ETIMEDOUT: 'silent',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  UND_ERR_SOCKET: 'reset',
  UND_ERR_DESTROYED: 'aborted',
  UND_ERR_ABORTED: 'aborted',
  ABORT_ERR: 'aborted',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'reset',
  UND_ERR_HEADERS_OVERFLOW: 'protocol',
};

const SENTENCES: Readonly<Record<FailureKind, string>> = {
  refused: 'nothing listens there (connection refused)',
  name: 'the host name is not known',
  unreachable: 'there is no route to the host',
  silent: 'it did not answer in time',
  reset: 'it ended the connection early',
  too_large: 'its answer is too large',
  aborted: 'the request was given up',
  protocol: 'it does not speak HTTP/1.1',
  other: 'the request failed',
};

export function failureOf(error: unknown, url: string): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const code = codeOf(error);
  const kind = code === 'HTTPParserError' ? 'protocol' : (KIND_OF_CODE[code] ?? 'other');
  const detail = kind === 'other' && error instanceof Error ? `: ${error.message}` : '';
  return new HttpFailure(kind, `${url}: ${SENTENCES[kind]}${detail}`);
}

// Several addresses of one name fail as an AggregateError; its first error says enough.
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if (error.name === 'HTTPParserError') return error.name;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return error.cause === undefined ? '' : codeOf(error.cause);
}
