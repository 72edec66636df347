// A gateway in this process over scripted backends, with short limits, and the checks that nothing leaked. Never outlives its test.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import net from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendSpec, FleetSnapshot } from '../../src/api/fleet.ts';
import { DEFAULT_BODY, DEFAULT_QUEUE, DEFAULT_TIME } from '../../src/api/settings.ts';
import type { BodyLimits, GatewaySettings, QueueLimits, TimeLimits } from '../../src/api/settings.ts';
import { createFleet } from '../../src/fleet/fleet.ts';
import type { Fleet } from '../../src/fleet/types.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import type { Gateway, GatewayDeps } from '../../src/gateway/gateway.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { startScripted } from './scripted-backend.ts';
import type { ScriptedBackend } from './scripted-backend.ts';

export interface RigOptions {
  readonly backends?: number;
  /** Given slots of every backend. */
  readonly slots?: number;
  readonly models?: readonly string[];
  readonly queue?: Partial<QueueLimits>;
  readonly time?: Partial<TimeLimits>;
  readonly body?: Partial<BodyLimits>;
  readonly settings?: Partial<GatewaySettings>;
  readonly spec?: Partial<BackendSpec>;
  readonly frozenProbeMs?: number;
  readonly log?: GatewayDeps['log'];
  readonly routes?: GatewayDeps['models'];
  readonly mount?: NonNullable<GatewayDeps['mount']>;
  /** In the place of one that polls. */
  readonly fleet?: Fleet;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The connection broke before the end of the body. */
  readonly broken: boolean;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/* eslint-disable @typescript-eslint/no-explicit-any */
export type FleetJson = {
  backends: any[];
  tickets: any[];
  queue: { length: number; bytes: number };
  inFlight: number;
  loads: any[];
  differing: any[];
};

const cleanMsMax = 20_000;

export class Rig {
  readonly backends: ScriptedBackend[];
  readonly gateway: Gateway;
  readonly fleet: Fleet;
  readonly settings: GatewaySettings;
  private readonly fdsBefore: number;

  constructor(parts: {
    backends: ScriptedBackend[];
    gateway: Gateway;
    fleet: Fleet;
    settings: GatewaySettings;
    fdsBefore: number;
  }) {
    this.backends = parts.backends;
    this.gateway = parts.gateway;
    this.fleet = parts.fleet;
    this.settings = parts.settings;
    this.fdsBefore = parts.fdsBefore;
  }

  get backend(): ScriptedBackend {
    const [first] = this.backends;
    assert.ok(first);
    return first;
  }

  get port(): number {
    return Number(new URL(this.gateway.url).port);
  }

  post(path: string, body: unknown, options: CallOptions = {}): Promise<Answer> {
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return call(this.gateway.url + path, { method: 'POST', ...options }, text);
  }

  get(path: string, options: CallOptions = {}): Promise<Answer> {
    return call(this.gateway.url + path, { method: 'GET', ...options });
  }

  admin(path: string, options: CallOptions = {}): Promise<Answer> {
    return call(this.gateway.adminUrl + path, { method: 'GET', ...options });
  }

  chat(extra: Readonly<Record<string, unknown>> = {}, options: CallOptions = {}): Promise<Answer> {
    return this.post(
      '/api/chat',
      { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...extra },
      options,
    );
  }

  async view(): Promise<FleetJson> {
    return JSON.parse((await this.admin('/bigo/v1/fleet')).text) as FleetJson;
  }

  async metric(name: string, labels = ''): Promise<number> {
    const { text } = await this.admin('/metrics');
    const lines = text.split('\n').filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines
      .filter(line => line.includes(labels))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  async usage(): Promise<any[]> {
    return JSON.parse((await this.admin('/bigo/v1/usage')).text).records;
  }

  async requests(): Promise<any[]> {
    return JSON.parse((await this.admin('/bigo/v1/requests')).text).requests;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  /** No ticket, no slot, no byte, no request is left over. */
  async assertClean(): Promise<void> {
    await until(
      async () => {
        const { tickets, queue, inFlight, backends } = await this.view();
        const slots = backends.reduce((sum, backend) => sum + backend.inFlight, 0);
        return tickets.length + queue.length + queue.bytes + inFlight + slots === 0;
      },
      async () => JSON.stringify(await this.view()),
    );
  }

  async stop(): Promise<void> {
    await this.gateway.close();
    await this.fleet.stop();
    await Promise.all(this.backends.map(backend => backend.stop()));
    await until(
      async () => openFds() <= this.fdsBefore,
      async () => `${this.fdsBefore} fds before, ${openFds()} after`,
    );
  }
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const fdsBefore = openFds();
  const count = options.backends ?? 1;
  const backends = await Promise.all(Array.from({ length: count }, () => startScripted(options.models)));
  const specs = backends.map((backend, index) => specOf(backend, index, options));
  const settings = settingsOf(specs, options);
  const instanceId = `test-${process.pid}-${Math.random()}`;
  const log = options.log ?? silentLog();
  const shared = { clock: systemClock, log, rng: Math.random, instanceId };
  const fleet =
    options.fleet ??
    createFleet({
      ...shared,
      specs,
      timing: { versionEveryMs: 300, psEveryMs: 300, psIdleEveryMs: 300 },
    });
  fleet.start();
  await fleet.refresh();
  const starting = startGateway(settings, {
    ...shared,
    fleet,
    version: 'test',
    models: options.routes ?? {
      handleModelChange: async x => x.send(501, {}),
      handleBlob: async x => x.send(501, {}),
    },
    ...(options.mount !== undefined && { mount: options.mount }),
    ...(options.frozenProbeMs !== undefined && { frozenProbeMs: options.frozenProbeMs }),
  });
  const gateway = await starting.catch(async (error: unknown) => {
    await fleet.stop();
    await Promise.all(backends.map(backend => backend.stop()));
    throw error;
  });
  return new Rig({ backends, gateway, fleet, settings, fdsBefore });
}

/** Runs the test over a rig, checks that nothing leaked, ends all. */
export async function withRig(options: RigOptions, body: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = await startRig(options);
  try {
    await body(rig);
    await rig.assertClean();
  } finally {
    await rig.stop();
  }
}

function specOf(backend: ScriptedBackend, index: number, options: RigOptions): BackendSpec {
  const name = `b${index}`;
  return {
    name,
    url: backend.url,
    store: name,
    class: 'default',
    slots: options.slots ?? 4,
    ...options.spec,
  };
}

function settingsOf(backends: readonly BackendSpec[], options: RigOptions): GatewaySettings {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    backends,
    aliases: {},
    routing: [],
    declaredModels: [],
    origins: [],
    hosts: [],
    insecure: false,
    ...options.settings,
    queue: { ...DEFAULT_QUEUE, ...options.queue },
    time: { ...DEFAULT_TIME, ...options.time },
    body: { ...DEFAULT_BODY, ...options.body },
  };
}

/** One request on a connection of its own. */
function call(url: string, options: CallOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, signal } = options;
    const req = http.request(url, {
      method,
      agent: false,
      headers: { 'content-type': 'application/json', ...headers },
      ...(signal && { signal }),
    });
    req.on('error', reject);
    req.on('response', res => {
      const chunks: Buffer[] = [];
      const finish = (broken: boolean): void =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          broken,
        });
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => finish(!res.complete));
      res.on('error', () => finish(true));
    });
    req.end(body);
  });
}

/** A client that writes and reads bytes as it likes. */
function requestText(path: string, body: string, headers: string): string {
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}

export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', data => {
      this.received += data.toString('latin1');
    });
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('error', () => undefined);
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () =>
        resolve(new RawClient(socket)),
      );
      socket.once('error', reject);
    });
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  post(path: string, body: string, headers = ''): void {
    this.write(requestText(path, body, headers));
  }

  /** All at once, without waiting for an answer. */
  pipeline(path: string, bodies: readonly string[]): void {
    this.write(bodies.map(body => requestText(path, body, '')).join(''));
  }

  async waitFor(pattern: string | RegExp): Promise<void> {
    await until(
      async () =>
        typeof pattern === 'string' ? this.received.includes(pattern) : pattern.test(this.received),
      async () => `waited for ${String(pattern)}, got: ${this.received.slice(-500)}`,
    );
  }

  async waitClosed(): Promise<void> {
    await until(
      async () => this.closed,
      async () => `still open, got: ${this.received.slice(-500)}`,
    );
  }
}

export async function until(holds: () => Promise<boolean>, explain: () => Promise<string>): Promise<void> {
  const endMs = performance.now() + cleanMsMax;
  while (!(await holds())) {
    if (performance.now() > endMs) assert.fail(`did not come about: ${await explain()}`);
    await sleep(15);
  }
}

function openFds(): number {
  return fs.readdirSync('/proc/self/fd').length;
}

export const CHAT = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] });
export const CHAT_WHOLE = JSON.stringify({
  model: 'm',
  stream: false,
  messages: [{ role: 'user', content: 'hi' }],
});

/** A fleet that believes for ever that one backend is up and has `m:latest` loaded. */
export function staticFleet(url: string): Fleet {
  const model = {
    name: 'm:latest',
    key: 'm:latest',
    digest: 'd'.repeat(64),
    sizeBytes: 1_000,
    modifiedAt: '2026-11-21T10:00:00Z',
    details: {},
    capabilities: ['completion'],
    weights: 'w',
    reloadDefaults: {},
    raw: {},
  };
  const runner = { ...model, sizeVramBytes: 0, contextLength: 4_096, expiresAt: '2099-01-01T00:00:00Z' };
  const snapshot: FleetSnapshot = {
    seq: 1,
    atMs: 0,
    backends: [
      {
        spec: { name: 'b0', url, store: 'b0', class: 'default', slots: 4 },
        state: 'up',
        stateSinceMs: 0,
        draining: false,
        version: '0.24.0',
        polledAtMs: 1,
        models: new Map([[model.key, model]]),
        loaded: [runner],
      },
    ],
  };
  const nothing = (): void => undefined;
  return {
    snapshot: () => snapshot,
    onChange: () => nothing,
    start: nothing,
    stop: async () => undefined,
    refresh: async () => undefined,
    setBackends: nothing,
    setDraining: nothing,
    forgetModel: nothing,
    noteDown: nothing,
    noteUp: nothing,
    noteLoaded: nothing,
    noteUnloaded: nothing,
    ready: () => true,
  };
}
