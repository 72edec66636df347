// The one change that a create body needs on its way: its progress is always wanted. Never re-serialises what the client wrote.
import { applyEdits } from '../request/edits.ts';

const CLOSE = 125;

/** Go's decoder takes the last of two equal keys (rule of the parser differential), so one is written before the end. */
export function withStream(body: Uint8Array): Uint8Array {
  const end = body.lastIndexOf(CLOSE);
  return applyEdits(body, [{ span: { start: end, end }, text: ',"stream":true' }]);
}
