// Writes a BigoError as each dialect's clients read it, before the first byte and inside a stream.
// Never writes a terminator: a stream that failed must not look complete.
import { type BigoError, ERRORS } from '../../../api/errors.ts';
import type { Dialect, StreamShape } from '../request/types.ts';
import type { TapReport } from './types.ts';

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export function errorBody(dialect: Dialect, error: BigoError, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = {
    'content-type': 'application/json; charset=utf-8',
    'x-bigo-request-id': requestId,
  };
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)));
  }
  if (dialect === 'anthropic') headers['request-id'] = requestId;
  return { status: error.status, headers, body: JSON.stringify(errorValue(dialect, error, requestId)) };
}

/** What is written into a stream that failed: a line end if a line was cut, then the error, then nothing more. */
export function errorTail(
  shape: StreamShape,
  error: BigoError,
  report: TapReport,
  requestId = '',
): Uint8Array {
  return new TextEncoder().encode(cutEnd(shape, report) + tailText(shape, error, requestId));
}

function cutEnd(shape: StreamShape, report: TapReport): string {
  if (shape === 'json' || report.bytes === 0) return '';
  if (shape === 'ollama_ndjson' || shape === 'status_ndjson') return report.midLine ? '\n' : '';
  // A blank line ends the event that was cut, so that its half is not read as part of ours.
  return report.midLine ? '\n\n' : '\n';
}

function tailText(shape: StreamShape, error: BigoError, requestId: string): string {
  switch (shape) {
    case 'ollama_ndjson':
    case 'status_ndjson':
      return `${JSON.stringify(errorValue('ollama', error, requestId))}\n`;
    case 'openai_sse':
      return `data: ${JSON.stringify(errorValue('openai', error, requestId))}\n\n`;
    case 'responses_sse':
      return `event: error\ndata: ${JSON.stringify(responsesError(error))}\n\n`;
    case 'anthropic_sse':
      return `event: error\ndata: ${JSON.stringify(errorValue('anthropic', error, requestId))}\n\n`;
    case 'json':
      return '';
    default:
      return shape satisfies never;
  }
}

function errorValue(dialect: Dialect, error: BigoError, requestId: string): object {
  const message = error.message;
  switch (dialect) {
    case 'ollama':
      return { error: withNext(error) };
    case 'openai':
      return { error: { message, type: openaiType(error.status), param: null, code: error.code } };
    case 'anthropic':
      return { type: 'error', error: { type: anthropicType(error.status), message }, request_id: requestId };
    case 'bigo':
      return { error: { code: error.code, message, next: ERRORS[error.code].next, requestId } };
    default:
      return dialect satisfies never;
  }
}

/** Ollama's shape has one text: what to do next is its second sentence. Words that are Ollama's own are no sentence and stay. */
export function withNext({ code, message }: BigoError): string {
  return message.endsWith('.') ? `${message} ${ERRORS[code].next}` : message;
}

function responsesError(error: BigoError): object {
  return { type: 'error', code: error.code, message: error.message, param: null };
}

/** Ollama itself knows invalid_request_error, not_found_error and api_error (openai/openai.go, NewError). */
function openaiType(status: number): string {
  if (status === 404) return 'not_found_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 400 && status < 500 ? 'invalid_request_error' : 'api_error';
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
};

function anthropicType(status: number): string {
  const fallback = status >= 400 && status < 500 ? 'invalid_request_error' : 'api_error';
  return ANTHROPIC_TYPES[status] ?? fallback;
}
