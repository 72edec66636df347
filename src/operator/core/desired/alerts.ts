// The alerts of a fleet, over metrics that gateways export. Each says what to do next. Never an alert on what heals by itself.

interface AlertScope {
  readonly namespace: string;
  /** The job that a ServiceMonitor gives to the gateways. */
  readonly job: string;
}

export function alertRules({ namespace, job }: AlertScope): Record<string, unknown>[] {
  const of = `namespace="${namespace}",job="${job}"`;
  const rule = (
    alert: string,
    expr: string,
    [wait, severity]: readonly [string, string],
    summary: string,
  ) => ({
    alert,
    expr,
    for: wait,
    labels: { severity },
    annotations: { summary },
  });
  return [
    rule(
      'BigoNoBackend',
      `sum(bigo_backend_up{${of}}) == 0`,
      ['2m', 'critical'],
      'No Ollama pod answers: `bigo status` says why; `kubectl describe od` names the pods.',
    ),
    rule(
      'BigoQueueIsLong',
      `sum(bigo_queue_length{${of}}) > 100`,
      ['10m', 'warning'],
      'More than 100 requests have waited for ten minutes: add replicas, or raise autoscaling.maxReplicas.',
    ),
    rule(
      'BigoRequestsFail',
      `sum(rate(bigo_requests_total{${of},code=~"5.."}[5m])) / sum(rate(bigo_requests_total{${of}}[5m])) > 0.05`,
      ['5m', 'warning'],
      'More than 5 % of requests fail: `bigo status` names the backends; their logs say why.',
    ),
    rule(
      'BigoGatewayGone',
      `absent(bigo_build_info{${of}})`,
      ['5m', 'critical'],
      'No gateway is scraped: see the gateway pods, and whether Prometheus may reach their admin port.',
    ),
  ];
}
