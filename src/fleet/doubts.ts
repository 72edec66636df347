// Tells the agent of a pod that a model could not be loaded there, so that it looks at the bytes. Never waits for what it finds.
import type { Clock } from '../platform/clock.ts';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import type { Log } from './types.ts';

export interface DoubtOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly userAgent: string;
}

const tellMsMax = 5_000;
const answerBytesMax = 64 * 1024;
/** Loads of one model may fail many times a minute; its bytes do not change by that. */
const againMs = 60_000;
const rememberedMax = 1_000;

export class Doubts {
  readonly #options: DoubtOptions;
  readonly #http: HttpClient = createHttpClient({ connectMsMax: tellMsMax });
  readonly #toldAtMs = new Map<string, number>();

  constructor(options: DoubtOptions) {
    this.#options = options;
  }

  /** `url` is that of the backend; its agent has the same host. */
  async tell(url: string, agentPort: number, model: string): Promise<void> {
    const { clock, log, userAgent } = this.#options;
    const key = `${url} ${model}`;
    const nowMs = clock.nowMs();
    if (nowMs - (this.#toldAtMs.get(key) ?? -Infinity) < againMs) return;
    if (this.#toldAtMs.size >= rememberedMax) this.#toldAtMs.clear();
    this.#toldAtMs.set(key, nowMs);
    const agent = new URL(url);
    agent.port = String(agentPort);
    const asked = {
      method: 'POST' as const,
      path: `/verify?model=${encodeURIComponent(model)}`,
      headers: { 'user-agent': userAgent },
      timeMsMax: tellMsMax,
      bytesMax: answerBytesMax,
    };
    await this.#http.ask({ url: agent.origin }, asked).then(
      answer => log.info({ agent: agent.origin, model, status: answer.status }, 'asked to check a model'),
      (error: unknown) =>
        log.warn({ agent: agent.origin, model, error: String(error) }, 'no agent to check a model'),
    );
  }

  close(): Promise<void> {
    return this.#http.close();
  }
}
