// `bigo operator`: makes OllamaDeployments true in a cluster and keeps them so. Never needs a person: a Deployment starts it.
import type { Command } from 'commander';
import { parseHostPort } from '../api/config-values.ts';
import { OPERATOR_PORT, type OperatorSettings, TESTED_OLLAMA_TAG } from '../api/operator-settings.ts';
import { createLog } from '../platform/log.ts';
import { onShutdown } from '../platform/signals.ts';
import type { App } from './app.ts';
import { logLevelOption } from './common-options.ts';
import { EXIT, usageError } from './exit.ts';
import { ownImage } from './own-image.ts';

interface OperatorFlags {
  readonly kubeconfig?: string;
  readonly namespaces?: string;
  readonly leaseNamespace?: string;
  readonly admin: string;
  readonly image?: string;
  readonly clusterDomain: string;
  readonly logLevel?: string;
}

export function define(command: Command, app: App): void {
  command
    .option('--kubeconfig <file>', 'how to reach the cluster; default: the service account of this pod')
    .option('--namespaces <a,b>', 'look after these namespaces only; default: all')
    .option('--lease-namespace <name>', 'where the lease of the leader lies; default: the own namespace')
    .option('--admin <host:port>', 'address of /healthz, /readyz and /metrics', `127.0.0.1:${OPERATOR_PORT}`)
    .option(
      '--image <image>',
      'image of agents and gateways; default: BIGO_IMAGE, else the one of this version',
    )
    .option('--cluster-domain <name>', 'DNS domain of the cluster', 'cluster.local')
    .addOption(logLevelOption())
    .addHelpText('after', HELP)
    .action(async (flags: OperatorFlags) => {
      process.exitCode = await runOperator(app, flags);
    });
}

const HELP = `
Examples:
  $ bigo operator --kubeconfig ~/.kube/config --namespaces team-a,team-b
  $ bigo operator --admin 0.0.0.0:8081

Several may run: one leads, the others stand by. A signal ends it after the running passes (exit 0); a lost lease with exit 1.`;

async function runOperator(app: App, flags: OperatorFlags): Promise<number> {
  const { log, flush } = createLog({ level: flags.logLevel ?? 'info' });
  const settings = toSettings(app, flags);
  const ended = Promise.withResolvers<number>();
  const shutdown = onShutdown({ begin: () => process.exit(EXIT.ok), atOnce: flush });
  const operator = await app.components.startOperator({ settings, log });
  shutdown.replace({
    atOnce: flush,
    begin: signal => {
      log.info({ signal }, 'the operator ends');
      void operator.close().then(
        () => ended.resolve(EXIT.ok),
        () => ended.resolve(EXIT.failed),
      );
    },
  });
  // Whoever lost the lease may not do one thing more: the process ends, and its supervisor starts it again.
  operator.failed.catch((error: unknown) => {
    log.error({ error: (error as Error).message }, 'the operator cannot go on');
    flush();
    process.exit(EXIT.failed);
  });
  app.terminal.print(JSON.stringify({ event: 'ready', admin: operator.adminUrl }));
  const code = await ended.promise;
  flush();
  return code;
}

function toSettings(app: App, flags: OperatorFlags): OperatorSettings {
  const admin = parseHostPort(flags.admin);
  if (admin === undefined) {
    throw usageError(
      `--admin ${flags.admin} is not HOST:PORT`,
      `Write --admin 0.0.0.0:${OPERATOR_PORT}, for example.`,
    );
  }
  return {
    namespaces: (flags.namespaces ?? '').split(',').filter(name => name !== ''),
    admin,
    image: ownImage(flags.image, app.env),
    clusterDomain: flags.clusterDomain,
    ollamaTag: TESTED_OLLAMA_TAG,
    ...(flags.kubeconfig === undefined ? {} : { kubeconfig: flags.kubeconfig }),
    ...(flags.leaseNamespace === undefined ? {} : { leaseNamespace: flags.leaseNamespace }),
  };
}
