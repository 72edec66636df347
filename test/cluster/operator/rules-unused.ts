// What is granted and yet not asked for in the suite that compares rights with requests; each line says why it is granted.
// Never a right of convenience: a line that is used, or that nobody grants, fails the test.

export const operatorUnused: Readonly<Record<string, string>> = {
  'update llm.geeper.io/ollamadeployments/finalizers':
    'owner references that block a deletion ask for it; the check writes no audit line of its own',
  'get /pods': 'gateways may do it, and nobody may grant more than he has',
  'delete /pods': 'stuck pods and those of lost nodes: rollout.test.ts',
  'patch llm.geeper.io/ollamadeployments/scale': 'autoscaling by the operator: rollout.test.ts',
};

export const gatewayUnused: Readonly<Record<string, string>> = {
  'get /pods': 'the written interface of a gateway in a cluster: get, list, watch on pods',
};
