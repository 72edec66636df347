// The one change that a create body needs on its way: its progress is always wanted. Never re-serialises what the client wrote.

const CLOSE = 125;

/** Go's decoder takes the last of two equal keys (rule of the parser differential), so one is written before the end. */
export function withStream(body: Uint8Array): Uint8Array {
  const end = body.lastIndexOf(CLOSE);
  const extra = new TextEncoder().encode(',"stream":true}');
  const next = new Uint8Array(end + extra.length);
  next.set(body.subarray(0, end));
  next.set(extra, end);
  return next;
}
