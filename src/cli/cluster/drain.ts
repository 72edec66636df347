// `bigo drain`: no new requests for one backend, and waits until nothing runs there. Without a cluster through the gateway's admin
// port, with one through a mark on the pod, which every gateway sees, also one that starts later. Never stops anything itself.
import type { Command } from 'commander';
import { ANNOTATION_PREFIX, APPS } from '../../operator/core/names.ts';
import type { KubeObject } from '../../api/kube-object.ts';
import { kubeCode, KubeError } from '../../platform/kube/kube-error.ts';
import type { App } from '../app.ts';
import { type Client, RefusedError } from '../client.ts';
import { addJsonOption, type ClientFlags, withAdminClient } from '../client-flags.ts';
import { CliError, usageError } from '../exit.ts';
import {
  addClusterOptions,
  CLUSTER_EXIT,
  CLUSTER_EXIT_TEXT,
  type ClusterFlags,
  type ClusterSession,
  namespaceOf,
  refuseAbsentNamespace,
  withCluster,
} from './access.ts';
import { countText, type DrainLook, GatewayLooks, isIdle, lookText } from './drain-look.ts';
import { POD } from './kinds.ts';
import { timeMs, until } from './until.ts';

interface DrainFlags extends ClientFlags, ClusterFlags {
  readonly namespace?: string;
  readonly for: string;
  readonly end?: boolean;
  readonly wait: boolean;
  readonly timeout?: string;
}

const DRAIN_UNTIL = `${ANNOTATION_PREFIX}drain-until`;

export function define(command: Command, app: App): void {
  addJsonOption(addClusterOptions(command))
    .argument('<backend>', 'name of a backend as `bigo status` shows it; in a cluster the name of its pod')
    .option('-n, --namespace <name>', 'drain a pod of this namespace')
    .option('--for <time>', 'in a cluster: for how long, such as 30m or 12h', '1h')
    .option(
      '--timeout <time>',
      'wait at most so long until nothing runs there (default: 5m, or --for if that is less)',
    )
    .option('--no-wait', 'do not wait until nothing runs there')
    .option('--end', 'send requests there again')
    .option('--admin <url>', 'admin address of the gateway (default: BIGO_ADMIN, then the running gateway)')
    .option('--key <token>', 'admin token (default: BIGO_ADMIN_TOKEN)')
    .addHelpText('after', HELP)
    .action((backend: string, flags: DrainFlags) => {
      const markMs = timeMs('--for', flags.for);
      if (markMs === 0)
        throw usageError(
          '--for: no time at all is over at once',
          'Write 30m or 12h; --end takes a mark away.',
        );
      const usualMs = isForCluster(flags) ? Math.min(waitMsUsual, markMs) : waitMsUsual;
      const waitMsMax = flags.timeout === undefined ? usualMs : timeMs('--timeout', flags.timeout);
      const times = { markMs, waitMsMax };
      if (isForCluster(flags)) return drainPod(app, { name: backend, ...times }, flags);
      return drainBackend(app, { name: backend, ...times }, flags);
    });
}

/** As long as a pod that ends is given by default. */
const waitMsUsual = 300_000;

const HELP = `
Examples:
  $ bigo drain gpu-1
  $ bigo drain my-fleet-ollama-0 -n ml --for 2h
  $ bigo drain my-fleet-ollama-0 -n ml --timeout 30m
  $ bigo drain my-fleet-ollama-0 -n ml --end

A pod that is deleted or evicted drains by itself: this is for work on it while it runs. When the time is over the backend goes on
finishing its streams and gets nothing new: run the command again to wait longer.
${CLUSTER_EXIT_TEXT}`;

const isForCluster = ({ namespace, kubeconfig, context }: DrainFlags): boolean =>
  namespace !== undefined || kubeconfig !== undefined || context !== undefined;

interface Drained {
  readonly name: string;
  readonly markMs: number;
  readonly waitMsMax: number;
}

async function drainBackend(app: App, wish: Drained, flags: DrainFlags): Promise<void> {
  await withAdminClient(app, flags, async client => {
    const path = `/bigo/v1/backends/${encodeURIComponent(wish.name)}/drain`;
    const method = flags.end === true ? 'DELETE' : 'POST';
    const answer = await client.json({ method, path }).catch((error: unknown) => {
      if (!(error instanceof RefusedError) || error.status !== 404) throw error;
      throw new CliError(error.message, {
        next: '`bigo status` lists the backends; for a pod, -n names its namespace.',
      });
    });
    const seen = { state: String(answer.state), inFlight: Number(answer.inFlight) };
    const isAwaited = flags.end !== true && flags.wait;
    const last = isAwaited ? await waitFor(app, wish, () => lookAt(client, path)) : lookOf(seen);
    if (flags.json === true) {
      const state = isAwaited ? (isIdle(last) ? 'drained' : 'draining') : answer.state;
      app.terminal.print(JSON.stringify({ ...answer, state, inFlight: last.inFlight }));
    } else if (isAwaited)
      app.terminal.print(`${wish.name}: ${isIdle(last) ? 'drained' : 'draining'}, ${lookText(last)}`);
    else app.terminal.print(`${wish.name}: ${seen.state}, ${countText(seen.inFlight)}`);
    if (isAwaited) failUnlessIdle(wish, last);
  });
}

const lookOf = ({ state, inFlight }: { readonly state: string; readonly inFlight: number }): DrainLook => ({
  gateways: 1,
  inFlight,
  sending: state === 'serving' ? 1 : 0,
  silent: [],
});

async function lookAt(client: Client, path: string): Promise<DrainLook> {
  const { state, inFlight } = await client.json({ method: 'GET', path });
  return lookOf({ state: String(state), inFlight: Number(inFlight) });
}

async function drainPod(app: App, wish: Drained, flags: DrainFlags): Promise<void> {
  const isAwaited = flags.end !== true && flags.wait;
  if (isAwaited && wish.waitMsMax > wish.markMs)
    throw usageError(
      '--timeout is longer than --for: the pod would take requests again before',
      'Give a longer --for.',
    );
  await withCluster(app, flags, async session => {
    const { client, access } = session;
    const namespace = namespaceOf(flags, access);
    const markedUntil = flags.end === true ? null : new Date(Date.now() + wish.markMs).toISOString();
    const pod = await mark(session, { name: wish.name, namespace }, markedUntil);
    const { terminal } = app;
    if (flags.json !== true)
      terminal.print(
        markedUntil === null
          ? `${wish.name} takes requests again`
          : `${wish.name} takes no new requests until ${markedUntil}`,
      );
    const said = { pod: wish.name, namespace, until: markedUntil };
    if (!isAwaited) return flags.json === true ? terminal.print(JSON.stringify(said)) : undefined;
    const looks = new GatewayLooks(client, pod);
    const last = await waitFor(app, wish, () => looks.look()).catch((error: unknown) => {
      throw unseen(wish, error);
    });
    const { inFlight } = last;
    if (flags.json === true) terminal.print(JSON.stringify({ ...said, isIdle: isIdle(last), inFlight }));
    failUnlessIdle(wish, last);
    if (flags.json === true) return;
    terminal.print(
      last.gateways === 0
        ? `no gateway runs that could send to ${wish.name}; who speaks to it directly is not counted`
        : `${wish.name} is idle`,
    );
  });
}

async function mark(
  session: ClusterSession,
  { name, namespace }: { readonly name: string; readonly namespace: string },
  until: string | null,
): Promise<KubeObject> {
  const ref = { kind: POD, namespace, name };
  try {
    const pod = await session.client.get(ref);
    if (pod.metadata.labels?.['app.kubernetes.io/name'] !== APPS.ollama) throw noOllama(name);
    return await session.client.merge(
      ref,
      { metadata: { annotations: { [DRAIN_UNTIL]: until } } },
      'bigo-drain',
    );
  } catch (error) {
    if (kubeCode(error) !== 404) throw error;
    await refuseAbsentNamespace(session, namespace);
    throw new CliError(`there is no pod ${name} in namespace ${namespace}`, {
      next: `\`bigo status -n ${namespace}\` lists the pods.`,
    });
  }
}

function noOllama(pod: string): CliError {
  return new CliError(`pod ${pod} is no backend: only Ollama pods of a fleet can be drained`, {
    exitCode: CLUSTER_EXIT.notOurs,
    next: 'To empty a node, use `kubectl drain NODE`: every pod of BigO then ends in order by itself.',
  });
}

async function waitFor(
  app: App,
  { waitMsMax, name }: Drained,
  look: () => Promise<DrainLook>,
): Promise<DrainLook> {
  const { seen } = await until({
    look,
    isDone: isIdle,
    text: lookText,
    onText: text => app.terminal.tell(`${name}: ${text}`),
    msMax: waitMsMax,
    signal: app.interrupted(),
  });
  return seen;
}

function failUnlessIdle({ name, waitMsMax }: Drained, last: DrainLook): void {
  if (isIdle(last)) return;
  throw new CliError(`${name} is not idle after ${Math.round(waitMsMax / 1000)} s: ${lookText(last)}`, {
    exitCode: CLUSTER_EXIT.notReady,
    next: nextOf(last),
  });
}

function nextOf({ silent: [first] }: DrainLook): string {
  if (first === undefined)
    return 'It gets nothing new and goes on with what it has. Run the command again to wait longer.';
  // Gateways admit to their admin port only who needs it, and many networks count the API server as a stranger.
  return `It gets nothing new. Where a NetworkPolicy keeps the API server from the gateways, one of them can be asked itself: \`kubectl exec ${first.gateway} -- bigo status\`; --no-wait only sets the mark.`;
}

/** The mark is set; only what still runs cannot be seen. */
function unseen({ name }: Drained, error: unknown): unknown {
  if (!(error instanceof KubeError)) return error;
  return new CliError(
    `${name} gets no new requests, but what still runs there cannot be seen: ${error.message}`,
    {
      exitCode: error.code === 403 || error.code === 401 ? CLUSTER_EXIT.noRights : CLUSTER_EXIT.failed,
      next: 'Waiting needs to list pods, get the Secret of the gateways and get pods/proxy. --no-wait needs none of them.',
    },
  );
}
