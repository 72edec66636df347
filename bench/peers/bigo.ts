// BigO's own gateway as a process, as a person starts it. Never with anything switched off that is on by default.
import path from 'node:path';
import { makeHome, start, whenPrinted } from '../lib/process.ts';
import type { Running } from '../lib/process.ts';

const main = path.resolve(import.meta.dirname, '../../src/main.ts');

export interface Gateway extends Running {
  readonly url: string;
  readonly admin: string;
}

export interface GatewayOptions {
  readonly core?: number;
  /** As `--backend` takes them. */
  readonly backends: readonly string[];
  readonly flags?: readonly string[];
  /** For Node itself, as `--inspect=0`. */
  readonly nodeFlags?: readonly string[];
}

export async function startBigo(options: GatewayOptions): Promise<Gateway> {
  const home = await makeHome('bigo');
  const named = options.backends.flatMap(backend => ['--backend', backend]);
  const args = [
    ...(options.nodeFlags ?? []),
    main,
    'gateway',
    ...['--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0'],
    ...named,
    ...(options.flags ?? []),
  ];
  const core = options.core === undefined ? {} : { core: options.core };
  const spec = {
    name: 'bigo',
    program: process.execPath,
    args,
    home,
    env: { XDG_RUNTIME_DIR: home },
    ...core,
  };
  const running = await start(spec, whenPrinted);
  return Object.assign(running, { url: running.ready.url, admin: running.ready.admin ?? '' });
}
