// The gateways that send to this pod, asked at their admin port to stop and to say what still runs here. Never asks them anything else.
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { ModelsFile } from '../api/cluster-files.ts';
import { createHttpClient, type HttpClient } from '../platform/http.ts';
import type { GatewayLook } from './core/drain.ts';
import { sameAddressText } from './core/proc-net.ts';

type GatewaysAt = NonNullable<ModelsFile['gateways']>;

const askMsMax = 2_000;
const answerBytesMax = 64 * 1024;
const gatewaysMax = 64;

export class Gateways {
  readonly #podName: string;
  readonly #tokenFile: string | undefined;
  readonly #userAgent: string;
  readonly #http: HttpClient = createHttpClient({ connectMsMax: askMsMax });
  readonly #silences = new Map<string, number>();
  #addresses: readonly string[] = [];

  constructor(
    podName: string,
    options: { readonly tokenFile?: string | undefined; readonly version: string },
  ) {
    this.#podName = podName;
    this.#tokenFile = options.tokenFile;
    this.#userAgent = `bigo-agent/${options.version}`;
  }

  /** Every gateway, also one that has just started, is told; the answer says what each has running on this pod. */
  async stopSending(at: GatewaysAt): Promise<GatewayLook[]> {
    await this.#resolve(at.service);
    return Promise.all(this.#addresses.map(address => this.#look(address, at.adminPort)));
  }

  async sendAgain(at: GatewaysAt): Promise<void> {
    await this.#resolve(at.service);
    await Promise.allSettled(this.#addresses.map(address => this.#ask('DELETE', address, at.adminPort)));
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  /** When the resolver fails, those of the last time are asked. */
  async #resolve(service: string): Promise<void> {
    const found = await lookup(service, { all: true }).catch(() => undefined);
    if (found !== undefined) this.#addresses = found.slice(0, gatewaysMax).map(({ address }) => address);
  }

  async #look(address: string, port: number): Promise<GatewayLook> {
    const inFlight = await this.#inFlight(address, port).catch(() => undefined);
    const silences = inFlight === undefined ? (this.#silences.get(address) ?? 0) + 1 : 0;
    this.#silences.set(address, silences);
    return { address: sameAddressText(address), inFlight, silences };
  }

  async #inFlight(address: string, port: number): Promise<number | undefined> {
    const seen = await this.#ask('GET', address, port);
    if (seen === undefined || seen.state !== 'serving') return seen?.inFlight;
    return (await this.#ask('POST', address, port))?.inFlight;
  }

  async #ask(
    method: 'GET' | 'POST' | 'DELETE',
    address: string,
    port: number,
  ): Promise<{ state: string; inFlight: number } | undefined> {
    const host = address.includes(':') ? `[${address}]` : address;
    const answer = await this.#http.ask(
      { url: `http://${host}:${port}` },
      {
        method,
        path: `/bigo/v1/backends/${encodeURIComponent(this.#podName)}/drain`,
        headers: { 'user-agent': this.#userAgent, ...(await this.#authorization()) },
        timeMsMax: askMsMax,
        bytesMax: answerBytesMax,
      },
    );
    // A gateway that does not know this pod sends nothing to it.
    if (answer.status === 404) return { state: 'drained', inFlight: 0 };
    if (answer.status !== 200) return undefined;
    const value = JSON.parse(answer.body.toString('utf8')) as { state?: unknown; inFlight?: unknown };
    if (typeof value.state !== 'string' || typeof value.inFlight !== 'number') return undefined;
    return { state: value.state, inFlight: value.inFlight };
  }

  /** Read each time: a Secret may be replaced while the pod runs. */
  async #authorization(): Promise<Record<string, string>> {
    if (this.#tokenFile === undefined) return {};
    const token = await readFile(this.#tokenFile, 'utf8').catch(() => '');
    return token.trim() === '' ? {} : { authorization: `Bearer ${token.trim()}` };
  }
}
