// The load of the overhead benchmark, and which core is whose. Never more than one core for the proxy.
export const proxyCore = 0;
export const restCore = 1;
export const connections = 64;
const bodyBytes = 300;

/** A chat of 300 bytes that wants its answer whole. */
export function chatBody(): string {
  const empty = JSON.stringify({ model: 'm', stream: false, messages: [{ role: 'user', content: '' }] });
  return empty.replace('""', `"${'x'.repeat(bodyBytes - empty.length)}"`);
}

export interface BenchOptions {
  /** Small and short: shows that it works, its figures mean little. */
  readonly quick: boolean;
  /** Only these contestants; empty = all. */
  readonly only: readonly string[];
}

export function optionsFrom(words: readonly string[]): BenchOptions {
  return { quick: words.includes('--quick'), only: words.filter(word => !word.startsWith('--')) };
}
