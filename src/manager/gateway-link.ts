// The manager's line to one gateway: its admin API for what it knows, its main API for what callers may do. Never retries by itself.
import { BigoError } from '../api/errors.ts';
import type { HttpClient, HttpLines } from '../platform/http.ts';
import { HttpFailure } from '../platform/http-failure.ts';
import { Fleet, GatewaySettings, RequestRows, UsagePage, WhoAmI } from './core/wire.ts';
import type { RequestRow } from './core/wire.ts';
import type { Credentials, GatewayAddress } from './types.ts';
import type * as z from 'zod';

const answerBytesMax = 32 * 1024 * 1024;
const lineBytesMax = 32 * 1024 * 1024;
const askMsMax = 5_000;
/** The gateway sends a comment every 15 s. */
const eventSilenceMsMax = 45_000;

export interface MainCall {
  readonly path: string;
  readonly body: string;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  readonly timeMsMax?: number;
}

export class GatewayLink {
  readonly address: GatewayAddress;
  private readonly http: HttpClient;

  constructor(address: GatewayAddress, http: HttpClient) {
    this.address = address;
    this.http = http;
  }

  get name(): string {
    return this.address.name;
  }

  /** Gateways of one fleet tell the same of its backends. */
  get fleetName(): string {
    return this.address.fleet ?? this.address.name;
  }

  fleet(): Promise<Fleet> {
    return this.admin('/bigo/v1/fleet', Fleet);
  }

  settings(): Promise<GatewaySettings> {
    return this.admin('/bigo/v1/settings', GatewaySettings);
  }

  async requests(limit: number): Promise<RequestRow[]> {
    return (await this.admin(`/bigo/v1/requests?limit=${limit}`, RequestRows)).requests;
  }

  usage(after: string | undefined): Promise<UsagePage> {
    const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`;
    return this.admin(`/bigo/v1/usage${query}`, UsagePage);
  }

  /** The fleet, each time that it changes, until the gateway or the signal ends it. */
  async *fleets(signal: AbortSignal): AsyncGenerator<Fleet> {
    const answer = await this.explained(() =>
      this.http.askLines(this.adminTarget(), {
        method: 'GET',
        path: '/bigo/v1/fleet',
        headers: { accept: 'text/event-stream' },
        bytesMax: lineBytesMax,
        silenceMsMax: eventSilenceMsMax,
        signal,
      }),
    );
    if (answer.status !== 200) throw this.refused(answer.status, '');
    for await (const line of answer.lines) {
      if (line.startsWith('data: ')) yield this.parse(line.slice(6), Fleet);
    }
  }

  async drain(backend: string, on: boolean): Promise<{ state: string; inFlight: number; queued: number }> {
    const path = `/bigo/v1/backends/${encodeURIComponent(backend)}/drain`;
    const method = on ? 'POST' : 'DELETE';
    const answer = await this.explained(() =>
      this.http.ask(this.adminTarget(), { method, path, bytesMax: answerBytesMax, timeMsMax: askMsMax }),
    );
    const text = answer.body.toString('utf8');
    if (answer.status === 404) throw new BigoError('bad_request', `There is no backend ${backend}.`);
    if (answer.status !== 200) throw this.refused(answer.status, text);
    return JSON.parse(text) as { state: string; inFlight: number; queued: number };
  }

  /** Undefined = the key is not valid there. */
  async whoAmI(credentials: Credentials): Promise<WhoAmI | undefined> {
    const answer = await this.explained(() =>
      this.http.ask(
        { url: this.address.url, headers: credentials },
        { method: 'GET', path: '/bigo/v1/whoami', bytesMax: answerBytesMax, timeMsMax: askMsMax },
      ),
    );
    if (answer.status === 401) return undefined;
    if (answer.status !== 200) throw this.refused(answer.status, answer.body.toString('utf8'));
    return this.parse(answer.body.toString('utf8'), WhoAmI);
  }

  /** A short call with the caller's own key. The status is passed on as it is. */
  async call(
    method: 'GET' | 'POST' | 'DELETE',
    call: Omit<MainCall, 'body'> & { readonly body?: string },
  ): Promise<{ status: number; text: string; headers: HttpLines['headers'] }> {
    const answer = await this.explained(() =>
      this.http.ask(
        { url: this.address.url, headers: call.credentials },
        {
          method,
          path: call.path,
          ...(call.body !== undefined && { body: call.body }),
          bytesMax: answerBytesMax,
          timeMsMax: call.timeMsMax ?? askMsMax,
          signal: call.signal,
        },
      ),
    );
    return { status: answer.status, text: answer.body.toString('utf8'), headers: answer.headers };
  }

  /** A stream of lines with the caller's own key. */
  lines(call: MainCall): Promise<HttpLines> {
    return this.explained(() =>
      this.http.askLines(
        { url: this.address.url, headers: call.credentials },
        { method: 'POST', path: call.path, body: call.body, bytesMax: lineBytesMax, signal: call.signal },
      ),
    );
  }

  private async admin<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.infer<Schema>> {
    const answer = await this.explained(() =>
      this.http.ask(this.adminTarget(), {
        method: 'GET',
        path,
        bytesMax: answerBytesMax,
        timeMsMax: askMsMax,
      }),
    );
    const text = answer.body.toString('utf8');
    if (answer.status !== 200) throw this.refused(answer.status, text);
    return this.parse(text, schema);
  }

  private adminTarget(): { url: string; headers: Record<string, string> } {
    const { adminUrl, adminToken } = this.address;
    return {
      url: adminUrl,
      headers: adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` },
    };
  }

  private parse<Schema extends z.ZodType>(text: string, schema: Schema): z.infer<Schema> {
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      throw new BigoError(
        'gateway_away',
        `The gateway ${this.name} answered with something else than expected.`,
      );
    }
  }

  private refused(status: number, text: string): BigoError {
    const said = /"(?:error|message)":"((?:[^"\\]|\\.){1,300})"/.exec(text)?.[1] ?? '';
    const message = `The gateway ${this.name} answered ${status}${said === '' ? '' : `: ${said}`}.`;
    return new BigoError('gateway_away', message);
  }

  private async explained<Value>(attempt: () => Promise<Value>): Promise<Value> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      throw new BigoError('gateway_away', `The gateway ${this.name} does not answer: ${error.message}.`);
    }
  }
}
