// Gives native memory back, or stops waiting for it. Never throws what was native away without saying so.

/**
 * node-llama-cpp waits until everything made from a part was disposed of, but forgets what failed to load once that is
 * garbage: then its dispose() never settles. Rejects at the limit, so that nobody waits behind it for ever.
 */
export async function disposeWithin(part: { dispose(): Promise<void> }, limitMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`memory was not given back in ${limitMs} ms`)),
    limitMs,
  );
  try {
    await Promise.race([part.dispose(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
