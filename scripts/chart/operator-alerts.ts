// The alerts on an operator, over metrics that it exports. Each says what to do next. Never an alert on what heals by itself.

/** `of` are labels of PromQL. */
export function operatorAlerts(of: string): Record<string, unknown>[] {
  return [
    {
      alert: 'BigoOperatorGone',
      expr: `absent(leader_election_master_status{${of}} == 1)`,
      for: '5m',
      labels: { severity: 'critical' },
      annotations: {
        summary:
          'No operator leads, so nothing that breaks is mended (fleets go on serving): `kubectl get pods -n llm-operator-system` says why.',
      },
    },
    {
      alert: 'BigoOperatorFails',
      expr: `sum(rate(controller_runtime_reconcile_errors_total{${of}}[10m])) > 0`,
      for: '15m',
      labels: { severity: 'warning' },
      annotations: {
        summary:
          'Passes of the operator have failed for a quarter of an hour: `kubectl get od -A` shows whose, the log of the operator why.',
      },
    },
  ];
}
