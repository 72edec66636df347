// Runs a gateway until a signal: run file, ready line, live reload, drain. Shared by `up` and `gateway`; never decides which backends there are.
import { unwatchFile, watchFile } from 'node:fs';
import { BigoError } from '../api/errors.ts';
import type { GatewaySettings } from '../api/settings.ts';
import { createLog, type Log } from '../platform/log.ts';
import { writeRunFile } from '../platform/run-file.ts';
import { exitCodeOf, type Shutdown, type ShutdownHandlers } from '../platform/signals.ts';
import type { App } from './app.ts';
import type { RunningGateway } from './components.ts';
import { CliError, EXIT } from './exit.ts';
import { addressText, isFree, nextFree } from './free-port.ts';
import type { LoadedConfig } from './load-config.ts';
import type { ServerFlags } from './server-flags.ts';

export interface Serving {
  readonly app: App;
  readonly flags: ServerFlags;
  readonly loaded: LoadedConfig;
  readonly load: () => LoadedConfig;
  readonly logging: Logging;
  readonly page: 'mounted' | 'none';
  readonly shutdown: Shutdown;
  /** What `up` adds to configured settings, e.g. the engines it started. */
  readonly complete: (settings: GatewaySettings) => GatewaySettings;
  /** Stops what was started beside the gateway; the second form must not wait. */
  readonly stopRest: () => Promise<void>;
  readonly killRest: () => void;
  /** When the addresses answer: what must be there before the ready line. */
  readonly prepare: (gateway: RunningGateway) => Promise<void>;
  readonly onReady: (gateway: RunningGateway) => void;
}

export interface Logging {
  readonly log: Log;
  readonly flush: () => void;
}

/** A person at a terminal sees only what matters; everything else gets the whole log. */
export function startLogging(app: App, flags: Pick<ServerFlags, 'logLevel'>): Logging {
  return createLog({ level: flags.logLevel ?? (app.terminal.isErrTty ? 'warn' : 'info') });
}

const watchMs = 1000;
const bindTriesMax = 5;

/** Until `serve` has taken over, a signal ends everything at once: nothing was accepted yet. */
export function endAtOnce({ flush }: Logging): ShutdownHandlers {
  return {
    atOnce: flush,
    begin: signal => {
      flush();
      process.exit(exitCodeOf(signal));
    },
  };
}

/** Resolves with the exit code when the gateway has ended. */
export async function serve(serving: Serving): Promise<number> {
  const gateway = await startOnFreePort(serving);
  const removeRunFile = announceRun(serving, gateway);
  const stopWatching = watchConfig(serving, gateway);
  const ended = Promise.withResolvers<number>();
  const { log, flush } = serving.logging;
  serving.shutdown.replace({
    begin: signal => {
      log.info({ signal }, 'shutting down: readiness is off, streams finish');
      if (serving.app.terminal.isErrTty)
        serving.app.terminal.tell('Streams finish; a second Ctrl-C ends them.');
      stopWatching();
      void shutDown(serving, gateway).then(code => {
        removeRunFile();
        ended.resolve(code);
      });
    },
    atOnce: () => {
      removeRunFile();
      serving.killRest();
      flush();
    },
    ...(serving.app.terminal.isTty ? {} : { reload: () => void reload(serving, gateway) }),
  });
  let isEnding = false;
  void ended.promise.then(() => (isEnding = true));
  await Promise.race([serving.prepare(gateway), ended.promise]);
  if (!isEnding) serving.onReady(gateway);
  return ended.promise;
}

/** Somebody may take a port between the look and the listening: then the next one is tried, unless the port was asked for. */
async function startOnFreePort(serving: Serving): Promise<RunningGateway> {
  const { app, loaded, logging } = serving;
  for (let attempt = 1; ; attempt++) {
    const settings = await choosePorts(loaded, serving.complete(loaded.settings));
    try {
      return await app.components.startGateway({ settings, log: logging.log, page: serving.page });
    } catch (error) {
      const isTaken = error instanceof BigoError && error.code === 'port_in_use';
      if (!isTaken || attempt >= bindTriesMax) throw error;
    }
  }
}

async function choosePorts(loaded: LoadedConfig, settings: GatewaySettings): Promise<GatewaySettings> {
  const listen = await choosePort('listen', loaded, { settings, taken: [] });
  const admin = await choosePort('admin', loaded, { settings, taken: [listen.port] });
  return { ...settings, listen, admin };
}

async function choosePort(
  which: 'listen' | 'admin',
  loaded: LoadedConfig,
  { settings, taken }: { settings: GatewaySettings; taken: readonly number[] },
) {
  const wanted = settings[which];
  const origin = loaded.merged.originOf(['gateway', which]);
  if (origin === 'default') return nextFree(wanted, taken);
  if (wanted.port === 0 || (await isFree(wanted))) return wanted;
  throw new CliError(`${addressText(wanted)} (${origin}) is in use, or not ours to listen on`, {
    next: `Stop what listens there, or choose another with --${which} HOST:PORT.`,
  });
}

function announceRun({ app, loaded, logging }: Serving, gateway: RunningGateway): () => void {
  const { adminToken } = loaded.settings;
  try {
    return writeRunFile(app.env, {
      pid: process.pid,
      url: gateway.url,
      admin: gateway.adminUrl,
      startedAt: new Date().toISOString(),
      ...(adminToken === undefined ? {} : { adminToken }),
    });
  } catch (error) {
    // A read-only home must not keep a gateway from serving.
    logging.log.warn({ error: String(error) }, 'no run file: other commands need --url and --admin');
    return () => {};
  }
}

function watchConfig(serving: Serving, gateway: RunningGateway): () => void {
  const { files } = serving.loaded;
  for (const file of files) {
    watchFile(file, { interval: watchMs, persistent: false }, (now, before) => {
      if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) void reload(serving, gateway);
    });
  }
  return () => files.forEach(file => unwatchFile(file));
}

/** A configuration that does not check is told and left; the gateway goes on with the one it has. */
async function reload(serving: Serving, gateway: RunningGateway): Promise<void> {
  const { log } = serving.logging;
  try {
    const loaded = serving.load();
    await gateway.reload(serving.complete(loaded.settings));
    for (const note of loaded.notes) log.warn({ note }, 'configuration');
    log.info({ files: loaded.files }, 'configuration reloaded');
  } catch (error) {
    log.error({ error: (error as Error).message }, 'the changed configuration is not used');
  }
}

async function shutDown({ logging, stopRest }: Serving, gateway: RunningGateway): Promise<number> {
  try {
    await gateway.drain();
    await gateway.close();
    await stopRest();
    return EXIT.ok;
  } catch (error) {
    logging.log.error({ error: String(error) }, 'the shutdown did not go well');
    return EXIT.failed;
  } finally {
    logging.flush();
  }
}

/** The first line of stdout that begins with `{`; scripts wait for it. */
export function printReadyLine(app: App, gateway: RunningGateway): void {
  app.terminal.print(JSON.stringify({ event: 'ready', url: gateway.url, admin: gateway.adminUrl }));
}

/** The three dialects, ready to paste. */
export function curlExamples(url: string, model: string): string[] {
  const messages = '"messages":[{"role":"user","content":"What is the capital of France?"}]';
  return [
    `curl ${url}/api/chat -d '{"model":"${model}",${messages}}'`,
    `curl ${url}/v1/chat/completions -H 'content-type: application/json' -d '{"model":"${model}","stream":true,${messages}}'`,
    `curl ${url}/v1/messages -H 'content-type: application/json' -d '{"model":"${model}","max_tokens":200,"stream":true,${messages}}'`,
  ];
}
