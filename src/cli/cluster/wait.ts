// Waits until the operator runs, and says what keeps it from running. Never changes anything.
import type { KubeObject } from '../../api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../api/operator-settings.ts';
import { OPERATOR_APP } from '../../operator/core/names.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import { OPERATOR_DEPLOYMENT } from '../../profiles/core/installation.ts';
import { podTrouble, rolloutState, type Workload } from '../core/rollout.ts';
import { CliError } from '../exit.ts';
import { CLUSTER_EXIT } from './access.ts';
import { DEPLOYMENT, POD } from './kinds.ts';
import { until } from './until.ts';

export interface WaitOptions {
  readonly secondsMax: number;
  readonly signal: AbortSignal;
  readonly onState: (text: string) => void;
}

export async function untilRunning(client: KubeClient, options: WaitOptions): Promise<void> {
  const ref = { kind: DEPLOYMENT, namespace: OPERATOR_NAMESPACE, name: OPERATOR_DEPLOYMENT };
  const { isDone } = await until({
    look: async () => rolloutState((await client.get(ref)) as unknown as Workload),
    isDone: state => state.isDone,
    text: state => state.text,
    onText: options.onState,
    msMax: options.secondsMax * 1000,
    signal: options.signal,
  });
  if (isDone) return;
  const pods = await client.list(
    { kind: POD, namespace: OPERATOR_NAMESPACE, labelSelector: `app.kubernetes.io/name=${OPERATOR_APP}` },
    { limit: 20 },
  );
  throw notReady(pods.items, options.secondsMax);
}

function notReady(pods: readonly KubeObject[], secondsMax: number): CliError {
  const troubles = [...new Set(pods.map(podTrouble).filter(text => text !== undefined))];
  const why = troubles.length === 0 ? '' : `:\n  ${troubles.join('\n  ')}`;
  return new CliError(`the operator does not run after ${secondsMax} s${why}`, {
    exitCode: CLUSTER_EXIT.notReady,
    next: `Everything is installed. See kubectl -n ${OPERATOR_NAMESPACE} describe pods, then run the command again.`,
  });
}
