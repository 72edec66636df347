// nginx as the mock backend, as the measure of all proxies, and as a round-robin router. Never logs and never buffers.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { find } from '../../test/tools/parts.ts';
import { freePort, makeHome, start, whenAnswers } from '../lib/process.ts';
import type { Running } from '../lib/process.ts';

export interface Nginx extends Running {
  readonly url: string;
}

const digest = 'a'.repeat(64);
const detail = '"details":{"format":"gguf","family":"llama"}';
const named = '"name":"m:latest","model":"m:latest"';
const at = '"2026-01-01T00:00:00Z"';

/** An Ollama that has one model loaded and says the same two words to everybody. */
const answers: Readonly<Record<string, string>> = {
  '/api/version': '{"version":"0.24.0"}',
  '/api/tags': `{"models":[{${named},"modified_at":${at},"size":1000,"digest":"${digest}",${detail}}]}`,
  '/api/ps': `{"models":[{${named},"size":1000,"size_vram":0,"digest":"${digest}","expires_at":"2099-01-01T00:00:00Z","context_length":4096,${detail}}]}`,
  '/api/show': `{"modelfile":"FROM /x/sha256-${'b'.repeat(64)}","parameters":"",${detail},"capabilities":["completion"]}`,
  '/api/generate': `{"model":"m:latest","created_at":${at},"response":"","done":true,"done_reason":"load"}`,
  '/api/chat': `{"model":"m:latest","created_at":${at},"message":{"role":"assistant","content":"Hello there"},"done":true,"done_reason":"stop","total_duration":1000,"prompt_eval_count":10,"eval_count":3,"eval_duration":100}`,
  '/v1/chat/completions': `{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}}`,
};

function frame(home: string, server: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `worker_processes 1; daemon off; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
${temporary.map(name => `${name}_temp_path ${home}/${name};`).join(' ')}
${server}
}`;
}

async function startNginx(
  name: string,
  core: number | undefined,
  server: (port: number) => string,
): Promise<Nginx> {
  const program = await find('nginx');
  if (program === undefined) throw new Error('nginx is missing: npm run tools -- nginx');
  const home = await makeHome(name);
  const port = await freePort();
  const conf = path.join(home, 'nginx.conf');
  await mkdir(home, { recursive: true });
  await writeFile(conf, frame(home, server(port)));
  const args = ['-c', conf, '-e', path.join(home, 'error.log')];
  const spec = { name, program, args, home, ...(core === undefined ? {} : { core }) };
  const url = `http://127.0.0.1:${port}`;
  return Object.assign(await start(spec, whenAnswers(`${url}/api/version`)), { url });
}

export function startNginxMock(core?: number): Promise<Nginx> {
  const locations = Object.entries(answers).map(
    ([route, answer]) => `location = ${route} { return 200 '${answer}'; }`,
  );
  return startNginx(
    'mock',
    core,
    port => `server { listen 127.0.0.1:${port} backlog=4096; ${locations.join('\n')} }`,
  );
}

/** How nginx chooses: in turn, or the backend with the fewest requests. */
export type Balance = 'round_robin' | 'least_conn';

export interface ProxyOptions {
  readonly core?: number;
  readonly balance?: Balance;
}

/** Connections kept, every chunk passed on at once. */
export function startNginxProxy(backends: readonly string[], options: ProxyOptions = {}): Promise<Nginx> {
  const balance = options.balance === 'least_conn' ? 'least_conn;' : '';
  const servers = backends.map(backend => `server ${new URL(backend).host} max_fails=0;`).join(' ');
  const pass = `proxy_pass http://fleet; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_buffering off; proxy_request_buffering on; proxy_read_timeout 600s; proxy_next_upstream off;`;
  return startNginx('nginx', options.core, port => {
    return `upstream fleet { ${balance} ${servers} keepalive 1024; }
server { listen 127.0.0.1:${port} backlog=4096; location / { ${pass} } }`;
  });
}
