// Which cluster a command speaks to, and what its refusals mean for a person. Never runs a credential program.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { createKubeClient, type KubeClient } from '../../platform/kube/client.ts';
import { kubeCode, KubeError } from '../../platform/kube/kube-error.ts';
import { kubeAccess, type KubeAccess } from '../../platform/kube/kubeconfig.ts';
import type { App } from '../app.ts';
import { CliError, usageError } from '../exit.ts';
import { NAMESPACE } from './kinds.ts';
import { versionInfo } from '../version.ts';

export interface ClusterFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
}

export const CLUSTER_EXIT = {
  /** No cluster, no answer, or an answer that nothing here can mend. */
  failed: 1,
  noRights: 2,
  notOurs: 3,
  notReady: 4,
} as const;

export const CLUSTER_EXIT_TEXT =
  'Exit codes: 0 done, 1 no cluster can be asked, or it refused, 2 rights are missing, 3 an object of somebody else or a newer version is in the way, 4 not ready in time, 64 wrong arguments.';

export function addClusterOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'how to reach the cluster (default: KUBECONFIG, then ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)');
}

export interface ClusterSession {
  readonly client: KubeClient;
  readonly access: KubeAccess;
}

const requestMsMax = 30_000;

/** Gives the action a client and closes it afterwards; refusals become errors with a next step. */
export async function withCluster<Result>(
  app: App,
  flags: ClusterFlags,
  action: (session: ClusterSession) => Promise<Result>,
): Promise<Result> {
  const access = kubeAccess({ file: kubeconfigFile(app, flags), context: flags.context, env: app.env });
  const userAgent = `bigo/${versionInfo(app.env).version}`;
  const client = createKubeClient(access, { userAgent, nowMs: () => performance.now(), requestMsMax });
  try {
    return await action({ client, access });
  } catch (error) {
    throw explained(error, access);
  } finally {
    await client.close();
  }
}

/** Undefined in a pod: its service account is used. */
function kubeconfigFile(app: App, flags: ClusterFlags): string | undefined {
  if (flags.kubeconfig !== undefined) return flags.kubeconfig;
  const listed = (app.env['KUBECONFIG'] ?? '').split(delimiter).find(file => file !== '');
  if (listed !== undefined) return listed;
  const usual = join(app.env['HOME'] ?? homedir(), '.kube', 'config');
  if (existsSync(usual)) return usual;
  if (flags.context === undefined) return undefined;
  throw usageError('--context needs a kubeconfig, and there is none', 'Give --kubeconfig FILE.');
}

function explained(error: unknown, { server }: KubeAccess): unknown {
  if (!(error instanceof KubeError)) return error;
  if (error.code === 0 && isDistrust(error.message)) {
    return new CliError(
      `the certificate of the API server ${server} is not trusted (${error.message.split(': ').at(-1) ?? ''})`,
      {
        next: 'The kubeconfig needs the authority that signed it, `certificate-authority-data` of its cluster; where it has that, the certificate may have run out, or be for another address.',
      },
    );
  }
  if (error.code === 0) {
    return new CliError(error.message, {
      next: 'Is the cluster running, and is the address right? `kubectl cluster-info` asks the same; --kubeconfig and --context choose another.',
    });
  }
  if (error.code === 401) {
    return new CliError(`the API server ${server} does not know who you are`, {
      exitCode: CLUSTER_EXIT.noRights,
      next: 'The token or certificate of the kubeconfig may have run out: log in again.',
    });
  }
  if (error.code === 403) return noRights([error.message]);
  return new CliError(error.message);
}

/** Node's words for certificates that nobody it knows has signed, or that are of another name or time. */
const isDistrust = (message: string): boolean =>
  /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)|CERT_(HAS_EXPIRED|NOT_YET_VALID|UNTRUSTED)|ERR_TLS_CERT/.test(
    message,
  );

export function noRights(missing: readonly string[]): CliError {
  return new CliError(`rights are missing:\n  ${missing.join('\n  ')}`, {
    exitCode: CLUSTER_EXIT.noRights,
    next: 'Ask somebody with these rights (cluster-admin has them), or use another --context. Nothing was changed by the refused step.',
  });
}

/** For commands about one namespace: the flag, else the one of the context. */
export function namespaceOf(flags: { readonly namespace?: string }, access: KubeAccess): string {
  if (flags.namespace !== undefined) return checkedNamespace('--namespace', flags.namespace);
  return checkedNamespace('the context of the kubeconfig', access.namespace);
}

export function checkedNamespace(from: string, name: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return name;
  throw usageError(
    `${from}: "${name}" is no name of a namespace`,
    'It has small letters, digits and hyphens only; `kubectl get namespaces` lists those that there are.',
  );
}

/** For whoever found nothing in a namespace: there may be none of that name. Who may not look at it is told nothing. */
export async function refuseAbsentNamespace(
  { client, access }: ClusterSession,
  namespace: string,
): Promise<void> {
  try {
    await client.get({ kind: NAMESPACE, name: namespace });
  } catch (error) {
    if (kubeCode(error) !== 404) return;
    throw new CliError(`there is no namespace ${namespace} in ${access.server}`, {
      next: '`kubectl get namespaces` lists them; -n names another.',
    });
  }
}

/** All pages. */
export async function listAll(
  client: Pick<KubeClient, 'list'>,
  scope: Parameters<KubeClient['list']>[0],
): Promise<Awaited<ReturnType<KubeClient['list']>>['items']> {
  const found: Awaited<ReturnType<KubeClient['list']>>['items'][number][] = [];
  let continueToken: string | undefined;
  do {
    const page = await client.list(scope, {
      limit: 500,
      ...(continueToken === undefined ? {} : { continueToken }),
    });
    found.push(...page.items);
    continueToken = page.continueToken;
  } while (continueToken !== undefined && found.length < itemsMax);
  return found;
}

const itemsMax = 50_000;
