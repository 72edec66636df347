// Counts the tokens of an Anthropic request by letting a backend evaluate it: Ollama has no tokenizer route.
// Never guesses: the count is the one that /v1/messages itself would report.
import { BigoError } from '../../../api/errors.ts';
import { readWhole } from '../stream/usage.ts';
import { findFields } from './keys.ts';
import { type ScanResult, scanObject } from './scan.ts';
import type { Edit } from './types.ts';

/** Where the edited body is sent, with POST; the answer is held and read by countTokensAnswer. */
export const COUNT_TOKENS_PATH = '/v1/messages';

/** Makes the body of count_tokens one of /v1/messages that writes a single token. `scanned` as in parseInference. */
export function countTokensEdits(
  body: Uint8Array,
  scanned: ScanResult = scanObject(body),
): readonly Edit[] | BigoError {
  if (scanned.failed) return new BigoError('bad_json', scanned.message);
  const fields = findFields(body, scanned);
  if (fields instanceof BigoError) return fields;
  const { model, max_tokens: maxTokens, stream } = fields.found;
  if (model === undefined || fields.unsure) {
    return new BigoError('bad_request', 'Send model, messages, system and tools once each, in lower case.');
  }
  const edits: Edit[] = [];
  if (stream !== undefined) edits.push({ span: stream, text: 'false' });
  if (maxTokens !== undefined) edits.push({ span: maxTokens, text: '1' });
  else edits.push({ span: { start: model.end, end: model.end }, text: ',"max_tokens":1' });
  return edits;
}

/** The backend's complete answer to that request. */
export function countTokensAnswer(answer: Uint8Array): { readonly input_tokens: number } | BigoError {
  const { promptTokens } = readWhole(answer).usage;
  if (promptTokens !== undefined) return { input_tokens: promptTokens };
  return new BigoError('backend_invalid', 'The backend told no token count for the request.');
}
