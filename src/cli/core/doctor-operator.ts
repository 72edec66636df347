// Findings about who looks after the fleets: definition, operator, lease, versions, rights, clocks. Never a fleet's pods.
import type { KubeObject } from '../../api/kube-object.ts';
import { OPERATOR_NAMESPACE } from '../../api/operator-settings.ts';
import { OPERATOR_DEPLOYMENT, VERSION_ANNOTATION } from '../../profiles/core/installation.ts';
import { type ClusterFacts, type ClusterFinding, nameOf, orFine } from './doctor-facts.ts';
import { rolloutState } from './rollout.ts';
import { compareVersions } from './version-order.ts';

export function definitionFindings({ definition, unread, cliVersion }: ClusterFacts): ClusterFinding[] {
  const base = { check: 'definition', where: 'CustomResourceDefinition' };
  if (unread.includes('customresourcedefinitions')) return [];
  if (definition === undefined) {
    const message = 'this cluster does not know OllamaDeployments: plain manifests work, fleets do not';
    return [{ ...base, result: 'warn', message, next: 'bigo install' }];
  }
  const { conditions = [] } = (definition['status'] ?? {}) as {
    conditions?: readonly { type: string; status: string; message?: string }[];
  };
  const established = conditions.find(({ type }) => type === 'Established');
  if (established?.status !== 'True') {
    const clash = conditions.find(({ type }) => type === 'NamesAccepted')?.message ?? established?.message;
    const message = `it is not established: ${clash ?? 'the API server has not said why'}`;
    return [{ ...base, result: 'fail', message, next: 'See its status.conditions.' }];
  }
  const there = definition.metadata.annotations?.[VERSION_ANNOTATION];
  const order = there === undefined ? 0 : compareVersions(there, cliVersion);
  if (order > 0) {
    const message = `it is of ${there}, and this command is ${cliVersion}: it may not know every field`;
    return [{ ...base, result: 'warn', message, next: `Use bigo ${there}.` }];
  }
  if (order < 0)
    return [
      {
        ...base,
        result: 'warn',
        message: `it is of ${there}, older than this command (${cliVersion})`,
        next: 'bigo upgrade',
      },
    ];
  return [{ ...base, result: 'ok', message: `of ${there ?? 'an unknown version'}` }];
}

/** A lease is renewed every few seconds; clocks of nodes may differ by some more. */
const leaseMsMax = 60_000;

export function operatorFindings(facts: ClusterFacts): ClusterFinding[] {
  const { operator, lease, fleets = [], unread, serverNowMs } = facts;
  if (unread.includes('deployments of the operator')) return [];
  const where = `Deployment ${OPERATOR_NAMESPACE}/${OPERATOR_DEPLOYMENT}`;
  const base = { check: 'operator', where };
  if (operator === undefined) {
    if (fleets.length === 0)
      return [{ ...base, result: 'ok', message: 'not installed, and there is no fleet to look after' }];
    const message = `it is not there, and nobody looks after ${fleets.length} fleets`;
    return [{ ...base, result: 'fail', message, next: 'bigo install' }];
  }
  const state = rolloutState(operator);
  if (!state.isDone) {
    const next = `kubectl -n ${OPERATOR_NAMESPACE} describe pods`;
    return [{ ...base, result: 'fail', message: `it does not run: ${state.text}`, next }];
  }
  return [{ ...base, result: 'ok', message: state.text }, ...leaseFindings(lease, facts.unread, serverNowMs)];
}

function leaseFindings(
  lease: KubeObject | undefined,
  unread: readonly string[],
  serverNowMs: number,
): ClusterFinding[] {
  if (unread.includes('leases of the operator')) return [];
  const base = { check: 'operator', where: `Lease ${OPERATOR_NAMESPACE}/bigo-operator` };
  const next = `kubectl -n ${OPERATOR_NAMESPACE} logs deployment/${OPERATOR_DEPLOYMENT}`;
  const { renewTime = '', holderIdentity = '' } = (lease?.['spec'] ?? {}) as Record<string, string>;
  const ageMs = serverNowMs - Date.parse(renewTime);
  if (holderIdentity === '' || Number.isNaN(ageMs))
    return [{ ...base, result: 'fail', message: 'no operator leads: nothing is done', next }];
  if (ageMs > leaseMsMax) {
    const message = `${holderIdentity} has not renewed it for ${Math.round(ageMs / 1000)} s: nothing is done`;
    return [{ ...base, result: 'fail', message, next }];
  }
  return [{ ...base, result: 'ok', message: `${holderIdentity} leads` }];
}

export function fleetFindings({ fleets, namespace }: ClusterFacts): readonly ClusterFinding[] {
  if (fleets === undefined) return [];
  const found = fleets.flatMap(fleet => {
    const { conditions = [] } = (fleet['status'] ?? {}) as {
      conditions?: readonly { type: string; status: string; reason: string; message: string }[];
    };
    const where = nameOf(fleet);
    const next = `kubectl -n ${namespace} describe od ${fleet.metadata.name}`;
    const ready = conditions.find(({ type }) => type === 'Ready');
    const degraded = conditions.find(({ type, status }) => type === 'Degraded' && status === 'True');
    if (ready?.status === 'True' && degraded === undefined) return [];
    const told = degraded ?? ready;
    const message =
      told === undefined ? 'no operator has looked at it yet' : `${told.reason}: ${told.message}`;
    const result = degraded === undefined ? ('warn' as const) : ('fail' as const);
    return [{ check: 'fleets', where, result, message, next }];
  });
  const fine = fleets.length === 0 ? 'none in this namespace' : `${fleets.length} ready`;
  return orFine(found, 'fleets', fine);
}

export function rightFindings({ rights, unread, namespace }: ClusterFacts): readonly ClusterFinding[] {
  const missing = rights.filter(right => !right.isGranted);
  const found: ClusterFinding[] = missing.map(right => ({
    check: 'rights',
    where: `you, in ${namespace}`,
    result: 'warn',
    message: `you may not ${right.verb} ${right.resource}: ${right.for}`,
    next: `Ask for the role edit in ${namespace}: bigo install lets it edit fleets too.`,
  }));
  const unseen: ClusterFinding[] = unread.map(what => ({
    check: 'rights',
    where: 'you',
    result: 'warn',
    message: `you may not read ${what}: what depends on it was not checked`,
    next: 'Ask somebody who may to run this command.',
  }));
  return orFine([...found, ...unseen], 'rights', 'you may do and see what is needed here');
}

/** Certificates, tokens and leases bear this much. */
const clockMsMax = 10_000;

export function clockFindings({ clockAheadMs }: ClusterFacts): ClusterFinding[] {
  if (clockAheadMs === undefined) return [];
  const base = { check: 'clock', where: 'this machine' };
  const seconds = Math.round(Math.abs(clockAheadMs) / 1000);
  if (Math.abs(clockAheadMs) <= clockMsMax)
    return [{ ...base, result: 'ok', message: 'its clock and that of the API server agree' }];
  const message = `its clock is ${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of the API server`;
  const next = 'Set both by NTP: tokens and certificates are refused when clocks are apart.';
  return [{ ...base, result: 'warn', message, next }];
}
