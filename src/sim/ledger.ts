// What became of every request of a simulated day, and which laws were broken. Never lets a request end twice unseen.
import { openResult } from './server.ts';
import type { SimRequest, SimResult } from './types.ts';

const violationsMax = 20;

export class Ledger {
  readonly #results = new Map<string, SimResult>();
  readonly #violations: string[] = [];
  #open = 0;

  get open(): number {
    return this.#open;
  }

  get(id: string): SimResult | undefined {
    return this.#results.get(id);
  }

  begin(request: SimRequest): void {
    this.#open += 1;
    this.#results.set(request.id, openResult(request));
  }

  end(id: string, how: Pick<SimResult, 'outcome' | 'code'>, nowMs: number): void {
    const result = this.#results.get(id);
    if (result === undefined) return this.broken(nowMs, `${id} ended but never came`);
    if (result.outcome !== 'open') {
      return this.broken(nowMs, `${id} ended twice: ${result.outcome}, ${how.outcome}`);
    }
    Object.assign(result, how, { endMs: nowMs });
    this.#open -= 1;
  }

  broken(nowMs: number, law: string): void {
    if (this.#violations.length < violationsMax) this.#violations.push(`at ${Math.round(nowMs)} ms: ${law}`);
  }

  report(): { results: SimResult[]; violations: string[] } {
    const results = [...this.#results.values()];
    const open = results.filter(result => result.outcome === 'open').map(({ id }) => `${id} never ended`);
    return { results, violations: [...this.#violations, ...open] };
  }
}
