// `bigo migrate`: older resources become ours, every change is said, and what cannot be taken over is said, too. Never needs a cluster.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { type OllamaDeployment, resourceSchema } from '../../src/api/ollama-deployment/resource.ts';
import { aHome, type RunResult } from './bigo.ts';

const group = 'llm.geeper.io';

function migrated({ code, stdout, stderr }: RunResult): OllamaDeployment[] {
  assert.equal(code, 0, stdout + stderr);
  return parseAllDocuments(stdout).map(document => resourceSchema.parse(document.toJS()));
}

it('flat names become nested ones, and the comments say so', async t => {
  const input = `apiVersion: ${group}/v1alpha1
kind: OllamaDeployment
metadata: {name: full-ollama, namespace: ai-models, uid: abc}
spec:
  ollama: {models: ["llama2:13b"], serviceType: LoadBalancer, servicePort: 11434}
  openwebui: {enabled: true, ingressEnabled: true, ingressHost: ollama.example.com}
status: {phase: Ready}
`;
  const result = await aHome(t).run(['migrate'], { input });
  const [resource] = migrated(result);
  assert.deepEqual(resource?.spec.ollama.service, { type: 'LoadBalancer', port: 11_434 });
  assert.deepEqual(resource?.spec.openwebui?.ingress, { enabled: true, host: 'ollama.example.com' });
  assert.equal(resource?.spec.ollama.serviceType, undefined);
  assert.match(result.stdout, /^# spec\.ollama\.serviceType is now spec\.ollama\.service\.type$/m);
  assert.match(result.stdout, /^# status is left out/m);
  const again = await aHome(t).run(['migrate', '-'], { input: result.stdout });
  assert.match(again.stdout, /^# nothing had to change$/m);
});

it('the kind that shadowed Deployment becomes ours', async t => {
  const input = `apiVersion: ${group}/v1alpha1
kind: Deployment
metadata: {name: tabby-example}
spec: {ollama: {models: ["codellama:7b"]}, tabby: {enabled: true, ingress: {enabled: true, host: tabby.localhost}}}
`;
  const [resource] = migrated(await aHome(t).run(['migrate'], { input }));
  assert.equal(resource?.kind, 'OllamaDeployment');
  assert.equal(resource?.spec.tabby?.ingress?.host, 'tabby.localhost');
});

it('an LMDeployment loses nothing in silence', async t => {
  const input = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: `${group}/v1alpha1`,
        kind: 'LMDeployment',
        metadata: { name: 'lm', finalizers: ['x'] },
        spec: {
          ollama: {
            enabled: true,
            image: 'ollama/ollama:0.20.1',
            models: ['gemma3:270m'],
            resources: { limits: { 'nvidia.com/gpu': '2', memory: '8Gi' } },
            affinity: { nodeAffinity: {} },
          },
          vllm: { enabled: true },
          openwebui: {
            enabled: true,
            ingress: { host: 'chat.example.com' },
            redis: { enabled: true, redisUrl: 'redis://r:6379' },
            pipelines: { enabled: true },
            persistence: { enabled: true, storageClass: 'fast' },
          },
          tabby: { enabled: true, device: 'cuda', completionModel: 'gemma3:270m', chatModel: 'gemma3:270m' },
        },
      },
    ],
  });
  const result = await aHome(t).run(['migrate'], { input });
  const [resource] = migrated(result);
  const { ollama, openwebui, tabby } = resource?.spec ?? {};
  assert.deepEqual([ollama?.image, ollama?.imageTag], ['ollama/ollama', '0.20.1']);
  assert.deepEqual([ollama?.gpu?.resourceName, ollama?.gpu?.count], ['nvidia.com/gpu', 2]);
  assert.deepEqual(ollama?.scheduling?.affinity, { nodeAffinity: {} });
  assert.equal(openwebui?.redisUrl, 'redis://r:6379');
  assert.equal(openwebui?.ingress?.enabled, true);
  assert.equal(openwebui?.persistence?.storageClassName, 'fast');
  assert.deepEqual([tabby?.modelName, tabby?.chatModelName], ['gemma3:270m', 'gemma3:270m']);
  for (const left of ['vllm', 'openwebui.pipelines', 'tabby.device']) {
    assert.match(result.stdout, new RegExp(`^# spec\\.${left} is left out`, 'm'));
  }
});

it('what must be mended by hand is said in a comment (exit 1), and nothing to migrate is exit 64', async t => {
  const home = aHome(t);
  const input = `apiVersion: ${group}/v1alpha1\nkind: LMDeployment\nmetadata: {name: empty}\nspec: {}\n`;
  const result = await home.run(['migrate'], { input });
  assert.equal(result.code, 1);
  assert.match(result.stdout, /^# mend by hand: spec\.ollama\.models/m);
  const none = await home.run(['migrate'], { input: 'kind: Pod\n' });
  assert.equal(none.code, 64);
  assert.match(none.stderr, /no resource of llm\.geeper\.io/);
});
