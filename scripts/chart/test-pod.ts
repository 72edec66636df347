// The pod of `helm test`: asks every part that the release runs, and says which does not answer. Never changes anything.
import { OPERATOR_PORT } from '../../src/api/operator-settings.ts';
import { containerSecurity, podDefaults, podSecurity } from '../../src/operator/core/desired/pod.ts';
import { PORTS } from '../../src/operator/core/names.ts';
import { OPERATOR_DEPLOYMENT } from '../../src/profiles/core/installation.ts';
import { labelsFor, TEST_APP } from './objects.ts';
import { block, expr, itemsIf, NAMESPACE, type Part, RELEASE } from './template.ts';

/** Arguments are NAME=URL. A key that is asked for is an answer too. Three tries: a test may begin with the pods. */
export const TEST_SCRIPT = `
let failures = 0;
for (const one of process.argv.slice(1)) {
  const at = one.indexOf('=');
  const [name, url] = [one.slice(0, at), one.slice(at + 1)];
  let said = '';
  for (let turn = 0; turn < 3 && said !== 'ok'; turn++) {
    if (turn > 0) await new Promise(done => setTimeout(done, 2000));
    said = await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
      answer => (answer.ok || answer.status === 401 ? 'ok' : 'status ' + answer.status),
      error => String(error.cause?.message ?? error.message),
    );
  }
  console.log(name + ': ' + said + (said === 'ok' ? '' : ' (' + url + ')'));
  if (said !== 'ok') failures++;
}
process.exit(failures === 0 ? 0 : 1);
`.trim();

const inside = (name: string, port: number | string, path: string): string =>
  `http://${name}.${NAMESPACE}.svc:${port}${path}`;

export function testParts(): Part[] {
  const annotations = {
    'helm.sh/hook': 'test',
    'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
  };
  const gatewayPort = expr('$.Values.gateway.service.port');
  const managerPort = expr('$.Values.manager.service.port');
  const container = {
    name: 'test',
    image: expr('include "bigo.image" $'),
    imagePullPolicy: expr('$.Values.image.pullPolicy'),
    command: ['node', '--input-type=module', '-e', TEST_SCRIPT, '--'],
    args: [
      ...itemsIf(
        '$.Values.operator.enabled',
        `operator=${inside(`${OPERATOR_DEPLOYMENT}-metrics`, OPERATOR_PORT, '/readyz')}`,
      ),
      ...itemsIf(
        '$.Values.gateway.enabled',
        `gateway=${inside(`${RELEASE}-gateway`, PORTS.gatewayAdmin, '/readyz')}`,
        `api=${inside(`${RELEASE}-ollama`, gatewayPort, '/api/version')}`,
      ),
      ...itemsIf(
        '$.Values.manager.enabled',
        `manager=${inside('model-manager-service', managerPort, '/readyz')}`,
      ),
    ],
    resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '500m', memory: '128Mi' } },
    securityContext: containerSecurity,
  };
  return [
    {
      when: 'or $.Values.operator.enabled $.Values.gateway.enabled $.Values.manager.enabled',
      object: {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `${RELEASE}-test`, namespace: NAMESPACE, labels: labelsFor(TEST_APP), annotations },
        spec: {
          ...podDefaults,
          restartPolicy: 'Never',
          securityContext: podSecurity(),
          imagePullSecrets: block('(include "bigo.pullSecrets" $ | fromYamlArray)'),
          containers: [container],
        },
      },
    },
  ];
}
