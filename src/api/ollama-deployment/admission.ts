// The admission policy that warns of deviations, as values. Never refuses a resource, also not when it cannot be evaluated.
import { DEVIATIONS } from './deviations.ts';
import { GROUP, PLURAL, VERSION } from './resource.ts';

const NAME = `${PLURAL}-warnings.${GROUP}`;
const labels = { 'app.kubernetes.io/part-of': 'bigo' };

export function admissionPolicy(): Record<string, unknown> {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: NAME, labels },
    spec: {
      failurePolicy: 'Ignore',
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [GROUP],
            apiVersions: [VERSION],
            operations: ['CREATE', 'UPDATE'],
            resources: [PLURAL],
          },
        ],
      },
      validations: DEVIATIONS.map(({ expression, message }) => ({ expression, message })),
    },
  };
}

export function admissionBinding(): Record<string, unknown> {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: NAME, labels },
    spec: { policyName: NAME, validationActions: ['Warn'] },
  };
}
