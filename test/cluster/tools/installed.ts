// The names under which `bigo install` and the chart put the operator into a cluster, as people know them.
// Never taken from the code: a name that changes there must make a test red.
export const system = 'llm-operator-system';

export const operator = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  namespace: system,
  name: 'llm-operator-controller-manager',
};

export const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  name: 'ollamadeployments.llm.geeper.io',
};
