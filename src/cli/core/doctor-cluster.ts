// The checks of `bigo doctor -n`, in the order in which they are printed, and what their findings mean together. Pure.
import type { ClusterCheck, ClusterFacts, ClusterFinding } from './doctor-facts.ts';
import {
  clockFindings,
  definitionFindings,
  fleetFindings,
  operatorFindings,
  rightFindings,
} from './doctor-operator.ts';
import { gpuFindings, imageFindings, podFindings, quotaFindings } from './doctor-pods.ts';
import { claimFindings, storageClassFindings } from './doctor-storage.ts';
import { ingressFindings, metricFindings } from './doctor-traffic.ts';

const CHECKS: readonly ClusterCheck[] = [
  definitionFindings,
  operatorFindings,
  fleetFindings,
  podFindings,
  storageClassFindings,
  claimFindings,
  gpuFindings,
  quotaFindings,
  imageFindings,
  ingressFindings,
  metricFindings,
  rightFindings,
  clockFindings,
];

export function clusterFindings(facts: ClusterFacts): ClusterFinding[] {
  return CHECKS.flatMap(check => check(facts));
}

/** 0 nothing is broken · 1 something is · 2 nothing that could be looked at is, but rights are missing. */
export function clusterDoctorExit(findings: readonly ClusterFinding[], { unread }: ClusterFacts): number {
  if (findings.some(({ result }) => result === 'fail')) return 1;
  return unread.length > 0 ? 2 : 0;
}
