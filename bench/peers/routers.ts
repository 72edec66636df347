// The routers of the race, each started as its own documentation says, in front of the same kind of backends.
// Never tuned for the workload; what was set, and why, is in `configured` and printed with the results.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Whole } from '../lib/race-client.ts';
import { freePort, makeHome, start, whenAnswers } from '../lib/process.ts';
import type { Running } from '../lib/process.ts';
import { stampOf } from '../lib/routing-doc.ts';
import { startBigo } from './bigo.ts';
import { needPeer } from './install.ts';
import { startNginxProxy } from './nginx.ts';
import type { Balance } from './nginx.ts';

export interface RaceRouter {
  readonly name: string;
  /** Empty for what this checkout or the machine has. */
  readonly version: string;
  /** Where /api/chat is below. */
  readonly url: string;
  readonly log: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

export interface RouterKind {
  readonly configured: string;
  readonly whole?: Whole;
  readonly start: (backends: readonly string[], modelCount: number) => Promise<RaceRouter>;
}

function routerOf(running: Running, url: string, version = ''): RaceRouter {
  return { name: running.name, version, url, log: () => running.log(), stop: () => running.stop() };
}

async function bigo(backends: readonly string[]): Promise<RaceRouter> {
  const named = backends.map((url, index) => `${url},name=b${index}`);
  const running = await startBigo({ backends: named });
  return routerOf(running, running.url, `policy ${stampOf()}`);
}

async function nginx(backends: readonly string[], balance: Balance): Promise<RaceRouter> {
  const running = await startNginxProxy(backends, { balance });
  return routerOf(running, running.url);
}

interface FleetStatus {
  readonly nodes: readonly { readonly ollama?: { readonly models_available?: readonly unknown[] } }[];
}

/** The router and one agent for each backend; ready when all of them have sent what models they have. */
async function herd(backends: readonly string[], modelCount: number): Promise<RaceRouter> {
  const { program, version } = await needPeer('herd');
  const home = await makeHome('herd');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    FLEET_TELEMETRY: 'false',
    FLEET_VRAM_FALLBACK: 'false',
    FLEET_AUTO_PULL: 'false',
    FLEET_FLEET_INTELLIGENCE: 'false',
    FLEET_DATA_DIR: path.join(home, 'data'),
  };
  const args = ['--host', '127.0.0.1', '--port', String(port), '--log-level', 'WARNING'];
  const router = await start({ name: 'herd', program, args, home, env }, whenAnswers(`${url}/fleet/status`));
  const agents: Running[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(agents.map(agent => agent.stop()));
    await router.stop();
  };
  try {
    for (const [index, backend] of backends.entries()) {
      const agentHome = await makeHome('herd-node');
      const flags = ['--node-id', `n${index}`, '--ollama-host', backend, '--router-url', url];
      const spec = {
        name: 'herd-node',
        program: path.join(path.dirname(program), 'herd-node'),
        args: flags,
        home: agentHome,
        env: {
          FLEET_NODE_TELEMETRY: 'false',
          FLEET_NODE_DATA_DIR: path.join(agentHome, 'data'),
        },
      };
      agents.push(await start(spec, () => hasNodes(url, index + 1, modelCount)));
    }
    return { name: 'herd', version, url, log: () => router.log(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function hasNodes(url: string, count: number, modelCount: number): Promise<true | undefined> {
  const status = (await (await fetch(`${url}/fleet/status`)).json()) as FleetStatus;
  const complete = status.nodes.filter(node => (node.ollama?.models_available?.length ?? 0) >= modelCount);
  return complete.length >= count ? true : undefined;
}

async function olla(backends: readonly string[]): Promise<RaceRouter> {
  const { program, version } = await needPeer('olla');
  const home = await makeHome('olla');
  const port = await freePort();
  const endpoints = backends.map((url, index) => ({
    url,
    name: `b${index}`,
    type: 'ollama',
    priority: 100,
    model_url: '/api/tags',
    health_check_url: '/',
    check_interval: '2s',
    check_timeout: '1s',
  }));
  const many = 10_000_000;
  const config = {
    server: {
      host: '127.0.0.1',
      port,
      write_timeout: '0s',
      request_logging: false,
      rate_limits: { global_requests_per_minute: many, per_ip_requests_per_minute: many, burst_size: many },
    },
    proxy: {
      engine: 'olla',
      profile: 'streaming',
      load_balancer: 'least-connections',
      response_timeout: '15m',
      read_timeout: '10m',
      response_header_timeout: '10m',
    },
    discovery: {
      type: 'static',
      static: { endpoints },
      model_discovery: { enabled: true, interval: '5m', timeout: '30s' },
    },
    logging: { level: 'warn', format: 'json', output: 'stdout' },
  };
  const file = path.join(home, 'olla.yaml');
  await writeFile(file, JSON.stringify(config));
  const base = `http://127.0.0.1:${port}`;
  const spec = { name: 'olla', program, args: ['--config', file], home };
  const running = await start(spec, whenAnswers(`${base}/olla/ollama/api/tags`));
  return routerOf(running, `${base}/olla/ollama`, version);
}

async function nomyo(backends: readonly string[]): Promise<RaceRouter> {
  const { program, version } = await needPeer('nomyo');
  const folder = path.dirname(program);
  const home = await makeHome('nomyo');
  const port = await freePort();
  const file = path.join(home, 'config.yaml');
  await mkdir(home, { recursive: true });
  await writeFile(file, JSON.stringify({ endpoints: backends, max_concurrent_connections: 1 }));
  const spec = {
    name: 'nomyo',
    program: path.join(folder, 'venv/bin/python'),
    args: [
      '-m',
      'uvicorn',
      'router:app',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--log-level',
      'warning',
    ],
    cwd: folder,
    home,
    env: { NOMYO_ROUTER_CONFIG_PATH: file, NOMYO_ROUTER_DB_PATH: path.join(home, 'tokens.db') },
  };
  const url = `http://127.0.0.1:${port}`;
  const running = await start(spec, whenAnswers(`${url}/api/version`));
  return routerOf(running, url, version);
}

export const routers: Readonly<Record<string, RouterKind>> = {
  bigo: {
    configured:
      'only the four addresses; how many requests a runner takes and how many models fit is learned',
    start: bigo,
  },
  herd: {
    configured:
      'ollama-herd with one herd-node agent per backend, all defaults (its agents report every five seconds: every second they cost so much on this machine that it was slower), except that another model than the one asked for may not answer (vram_fallback off), nothing is pulled and no telemetry is sent; its agents also listen on the address of this machine',
    start: herd,
  },
  nginx: {
    configured: 'round robin, connections kept, no buffering, no limit of time',
    start: backends => nginx(backends, 'round_robin'),
  },
  'nginx least_conn': {
    configured: 'the same, least_conn',
    start: backends => nginx(backends, 'least_conn'),
  },
  olla: {
    configured:
      'engine olla, profile streaming, least-connections (its default); rate limits and time limits lifted',
    start: olla,
  },
  nomyo: {
    configured:
      'nomyo-router, told that a runner takes one request (max_concurrent_connections: 1); the clone that was measured loses the last line of every answer, which is not counted against it',
    whole: 'without-last-line',
    start: nomyo,
  },
};
