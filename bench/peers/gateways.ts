// Portkey and LiteLLM as processes on one core, in front of one OpenAI-speaking backend. Never with keys or telemetry.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort, makeHome, start, whenAnswers } from '../lib/process.ts';
import type { Running } from '../lib/process.ts';
import { needPeer } from './install.ts';

export interface PeerGateway extends Running {
  readonly url: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
}

export async function startPortkey(backend: string, core: number): Promise<PeerGateway> {
  const found = await needPeer('portkey');
  const home = await makeHome('portkey');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = [found.program, `--port=${port}`, '--headless'];
  const { hostname } = new URL(backend);
  const env = { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: `${hostname},localhost` };
  const spec = { name: 'portkey', program: process.execPath, args, home, core, env };
  const running = await start(spec, whenAnswers(url));
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${backend}/v1`,
    authorization: 'Bearer none',
  };
  return Object.assign(running, { url, headers, version: found.version });
}

export async function startLitellm(backend: string, core: number): Promise<PeerGateway> {
  const found = await needPeer('litellm');
  const home = await makeHome('litellm');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = path.join(home, 'config.yaml');
  const model = {
    model_name: 'm',
    litellm_params: { model: 'openai/m', api_base: `${backend}/v1`, api_key: 'none' },
  };
  await writeFile(config, JSON.stringify({ model_list: [model] }));
  const args = ['--config', config, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'];
  const env = {
    LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY: 'true',
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    LITELLM_MODE: 'PRODUCTION',
    LITELLM_LOG: 'ERROR',
  };
  const spec = { name: 'litellm', program: found.program, args, home, core, env };
  const running = await start(spec, whenAnswers(`${url}/health/liveliness`));
  return Object.assign(running, { url, headers: {}, version: found.version });
}
