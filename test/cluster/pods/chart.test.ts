// The Helm chart where pods really run and only restricted ones may: the way of the README, an upgrade, one that is killed and a
// rollback under streams, `helm test`, and what stays when it goes. Never a pod of another level than `restricted`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE_REPOSITORY } from '../../../src/api/operator-settings.ts';
import { MANAGER_APP, OPERATOR_APP } from '../../../src/operator/core/names.ts';
import { endAll } from '../../tools/end-all.ts';
import { find, skipUnless } from '../../tools/parts.ts';
import { bigoImage, fakeOllamaImages, imageNames, ollamaImage, type Image } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode, startNode, type RunningNode } from '../tools/node.ts';
import { commandsOf, Shell, type Said } from './chart-path.ts';
import { Cluster, Fleet, stateMsMax } from './fleet.ts';
import { registryForPods, type PodRegistry } from './registry.ts';
import { Crowd, dialects, figures, told } from './streams.ts';

const storyMsMax = 15 * 60_000;
const system = 'llm-operator-system';
const model = 'tiny:latest';
const packageFile = new URL('../../../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
const drainSeconds = 60;
/** As little as a test machine has. */
const small = ['operator', 'gateway', 'manager']
  .map(part => `${part}.resources.requests.cpu=20m,${part}.resources.requests.memory=64Mi`)
  .join(',');
const smallPods = { resources: { requests: { cpu: '20m', memory: '64Mi' } } };
const slots = 'gateway.config.gateway.kubernetes.slots=8';
const everything = `gateway.enabled=true,manager.enabled=true,gateway.drainSeconds=${drainSeconds},${slots},${small}`;
/** Pods of each part, by the name that is their label. */
const parts = { [OPERATOR_APP]: 2, 'bigo-gateway': 2, [MANAGER_APP]: 1 };

interface Condition {
  readonly type: string;
  readonly status: string;
}

const skip = (await skipWithoutNode()) || (await skipUnless('helm', 'kubectl', 'ollama', 'smollm2'));

/** As the library has it, and the same answer each time; `num_predict` keeps it short where a request names no length. */
const template =
  '{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n';
const parameters = { num_thread: 1, num_ctx: 1024, num_predict: 40, temperature: 0, stop: ['<|im_end|>'] };

/** Twice the image that the chart names: as it is, and with one file more. */
async function ownImages(folder: string): Promise<Image[]> {
  const image = await bigoImage(folder);
  const layers = [...image.layers, { '/app/next': { text: 'another version' } }];
  return [
    { ...image, name: `${IMAGE_REPOSITORY}:${version}` },
    { ...image, name: `${IMAGE_REPOSITORY}:next`, layers },
  ];
}

/** Ollama servers that somebody runs already, in the namespace of the release. */
const servers = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ollama, namespace: ${system}}
spec:
  replicas: 2
  selector: {matchLabels: {app.kubernetes.io/name: ollama}}
  template:
    metadata: {labels: {app.kubernetes.io/name: ollama}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: ollama
          image: ${imageNames.fakeOllama}
          imagePullPolicy: Never
          env: [{name: HOME, value: /tmp}, {name: OLLAMA_NUM_PARALLEL, value: "8"}]
          readinessProbe: {httpGet: {path: /api/version, port: 11434}, periodSeconds: 1}
          resources: {requests: {cpu: 20m, memory: 64Mi}}
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`;

describe('the Helm chart on pods', { skip, concurrency: 1, timeout: storyMsMax }, () => {
  let node: RunningNode;
  let shell: Shell;
  let shelf: PodRegistry;
  let chat: Fleet;

  const real = (): string => `${shelf.registry.host}/library/smollm2:135m`;
  /** Each under its own id: one that was restarted is another one. */
  const fleetPods = async (): Promise<string[]> => {
    const pods = [...(await chat.pods('ollama')), ...(await chat.pods('bigo-gateway'))];
    return pods.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).toSorted();
  };
  const userKey = async (): Promise<string> => {
    const name = { apiVersion: 'v1', kind: 'Secret', namespace: system, name: 'bigo-gateway-keys' };
    const { data } = await node.plane.admin.get(name);
    return Buffer.from(String(data['user-key']), 'base64').toString();
  };

  before(async () => {
    node = await startNode();
    try {
      shelf = await registryForPods(node);
      const { folder, admin } = node.plane;
      const flags = `--token-ms 50 --tokens-median 4000 --tokens-sigma 0 --models ["${model}"]`;
      const [fake] = await fakeOllamaImages(folder, flags);
      const trust = { '/etc/ssl/certs/ca-certificates.crt': shelf.certificateFile };
      await node.addImages([...(await ownImages(folder)), fake as Image, await ollamaImage(trust)]);
      const gguf = (await find('smollm2')) ?? '';
      await shelf.registry.addModel('library/smollm2:135m', { gguf, parameters, template });
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
      for (const name of ['default', system])
        await admin.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
      shell = await Shell.of(node);
      chat = new Fleet(new Cluster(node), 'default', 'chat');
    } catch (error) {
      await node.stop();
      throw error;
    }
  });
  after(() =>
    endAll(
      () => node?.stop(),
      () => shelf?.registry.stop(),
    ),
  );

  const done = ({ code, stdout, stderr }: Said, command: string): string => {
    assert.equal(code, 0, `${command}\n${stdout}${stderr}`);
    return stdout + stderr;
  };
  const type = async (command: string): Promise<string> => done(await shell.type(command), command);
  const typeAll = async (commands: readonly string[]): Promise<void> => {
    for (const command of commands) await type(command);
  };
  const upgrade = (values: string): string =>
    `helm upgrade bigo deploy/chart -n ${system} --reuse-values --wait --set ${values}`;
  const podsOf = (app: string): Promise<KubeObject[]> =>
    node.plane.admin.list(
      { apiVersion: 'v1', kind: 'Pod', namespace: system },
      `app.kubernetes.io/name=${app}`,
    );
  /** Resolves when there is no pod of these parts but ready ones of this image, so that nothing drains any more. */
  const untilOnly = async (tag: string): Promise<void> => {
    const isGood = ({ metadata, spec, status }: KubeObject): boolean =>
      metadata.deletionTimestamp === undefined &&
      spec.containers[0].image === `${IMAGE_REPOSITORY}:${tag}` &&
      (status.conditions ?? []).some((one: Condition) => one.type === 'Ready' && one.status === 'True');
    for (const [app, count] of Object.entries(parts))
      await until(`${app} runs ${tag}`, async () => {
        const pods = await podsOf(app);
        return pods.length === count && pods.every(isGood)
          ? undefined
          : pods.map(one => [one.metadata.name, one['status']]);
      });
  };
  /** What a pod of the cluster, wherever it is, sees behind names. */
  const ask = async (pod: string, urls: readonly string[], key = ''): Promise<Record<string, number>> => {
    const script = `const seen = {};
      const headers = { authorization: "Bearer ${key}" };
      for (const url of ${JSON.stringify(urls)})
        seen[url] = await fetch(url, { headers }).then(r => r.status, e => String(e.cause ?? e));
      console.log(JSON.stringify(seen));`;
    const command = `kubectl exec ${pod} -- node --input-type=module -e '${script}'`;
    return JSON.parse(await type(command)) as Record<string, number>;
  };
  const serviceUrl = async (name: string): Promise<string> => {
    const service = await node.plane.admin.get({
      apiVersion: 'v1',
      kind: 'Service',
      namespace: system,
      name,
    });
    return `http://${service['spec'].clusterIP}:${service['spec'].ports[0].port}`;
  };

  it('the commands of the README, typed as they stand: under ten to a first chat', async t => {
    const commands = commandsOf('README.md', '## On a Kubernetes cluster');
    assert.ok(commands.length < 10, `${commands.length} commands`);
    const fromMs = Date.now();
    let said: Said = { code: 0, stdout: '', stderr: '', firstMs: 0 };
    let firstTokenMs = 0;
    let notes = '';
    for (const command of commands) {
      const atMs = Date.now();
      // Nobody's registry can be reached from here: the model is the same, in one that can.
      said = await shell.type(command.replaceAll('smollm2:135m', real()));
      done(said, command);
      firstTokenMs = atMs + said.firstMs - fromMs;
      if (notes === '') notes = said.stdout;
      t.diagnostic(`${seconds(Date.now() - atMs)} s  ${command.split('\n')[0]}`);
    }
    assert.match(said.stdout, /^\{[^\n]*"content":"[^"]/);
    assert.match(said.stdout, /"done":true[^\n]*\n$/);
    t.diagnostic(
      `${commands.length} commands, ${seconds(firstTokenMs)} s from the first one to the first token`,
    );
    const [run = ''] = /kubectl exec .* bigo run .*/.exec(notes) ?? [];
    assert.match(await type(run.replace('llama3.2:1b', real())), /\w/, 'what Helm printed to do next');
  });

  it('`helm test` asks operator, gateway and manager of a larger release', async () => {
    await node.plane.admin.applyYaml(servers);
    await type(upgrade(everything));
    await untilOnly(version);
    const [, test = ''] = commandsOf('docs/helm.md', '## Install');
    assert.match(await type(test), /Phase: +Succeeded/);
  });

  it('every name by which pods know the gateways is one that they take', async () => {
    const key = await userKey();
    const names = [
      '',
      `.${system}`,
      `.${system}.svc`,
      `.${system}.svc.cluster.local`,
      `.${system}.svc.cluster.local.`,
    ];
    const ours = names.map(rest => `http://bigo-ollama${rest}:11434/api/tags`);
    const theirs = [
      '',
      '.default',
      '.default.svc',
      '.default.svc.cluster.local',
      '.default.svc.cluster.local.',
    ].map(rest => `http://chat-ollama${rest}:11434/api/tags`);
    const seen = {
      ...(await ask(`-n ${system} deploy/ollama`, [...ours, ...theirs.slice(1)], key)),
      ...(await ask('-n default deploy/chat-gateway', [...theirs, ...ours.slice(1)], key)),
    };
    assert.deepEqual(
      Object.entries(seen).filter(([, status]) => status !== 200),
      [],
    );
  });

  it('without a default StorageClass a fleet says so, and goes on when there is one', async () => {
    const mark = (text: string): Promise<KubeObject> =>
      node.plane.admin.patch(
        { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', name: 'local' },
        { metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': text } } },
      );
    await mark('false');
    const later = await new Cluster(node).fleet({
      name: 'later',
      ollama: { models: [model], image: 'bigo.test/fake-ollama', imageTag: '1', ...smallPods },
      gateway: { replicas: 1, ...smallPods },
    });
    const { message } = await later.untilCondition('Degraded', 'NoStorageClass');
    assert.match(message, /^claim models-later-ollama-0 /);
    await mark('true');
    await later.ready();
    await node.plane.admin.delete({ apiVersion: 'v1', kind: 'Namespace', name: later.namespace });
  });

  it('no stream is lost by an upgrade of every part, by one that is killed, by the way back', async t => {
    const key = await userKey();
    // Each gateway looks for the servers by itself.
    await until('each gateway knows the model', async () => {
      const lists = await Promise.all((await podsOf('bigo-gateway')).map(pod => modelsAt(pod, key)));
      return lists.every(models => models.length > 0) ? undefined : lists;
    });
    const crowd = new Crowd({
      url: await serviceUrl('bigo-ollama'),
      key,
      model,
      atOnce: 12,
      tokens: [40, 100],
    });
    // A fleet of its own, whose pods no upgrade of the operator may touch.
    const calm = new Crowd({ url: await chat.url(), model: real(), atOnce: 1, tokens: [10, 20] });
    t.after(() => [crowd, calm].map(one => one.leave()));
    const fleetBefore = await fleetPods();
    const startMs = Date.now();
    crowd.start();
    calm.start();
    await crowd.until(() => new Set(crowd.streaming).size === 2, stateMsMax);
    for (const [what, act] of story()) {
      const fromMs = Date.now();
      crowd.takeLeast();
      await act();
      const lost = [...crowd.ended, ...calm.ended].filter(one => one.end !== 'whole');
      assert.equal(lost.length, 0, `${what}:\n${told(lost, startMs)}`);
      t.diagnostic(
        `${what}: ${seconds(Date.now() - fromMs)} s, never fewer than ${crowd.takeLeast()} streams at once`,
      );
    }
    const streams = [...(await crowd.stop()), ...(await calm.stop())];
    const lost = streams.filter(one => one.end !== 'whole');
    assert.equal(lost.length, 0, told(lost, startMs));
    for (const dialect of dialects) assert.ok(crowd.ended.some(one => one.ask.dialect === dialect));
    assert.deepEqual(await fleetPods(), fleetBefore);
    t.diagnostic(`${figures(streams)}; ${seconds(Date.now() - startMs)} s in all`);
  });

  /** Each is over when nothing drains any more, so that what broke a stream has a name. */
  const story = (): readonly (readonly [what: string, act: () => Promise<void>])[] => [
    [
      'another image for every part',
      async () => {
        await type(upgrade('image.tag=next'));
        await untilOnly('next');
      },
    ],
    [
      'an upgrade to an image that is nowhere, killed, and back as the document says',
      async () => {
        const values = ['--reuse-values', '--set', 'image.tag=nowhere'];
        const helm = shell.startHelm('upgrade', 'bigo', 'deploy/chart', '-n', system, '--wait', ...values);
        await until('a pod of it was made', async () => {
          const images = (await podsOf('bigo-gateway')).map(({ spec }) => spec.containers[0].image as string);
          return images.some(image => image.endsWith(':nowhere')) ? undefined : images;
        });
        helm.kill('SIGKILL');
        const refused = await shell.type(upgrade('image.tag=next'));
        assert.match(refused.stderr, /another operation \(install\/upgrade\/rollback\) is in progress/);
        await typeAll(commandsOf('docs/helm.md', '### An upgrade that was interrupted'));
        await untilOnly('next');
      },
    ],
    [
      'back to the first image',
      async () => {
        const history = JSON.parse(await type(`helm history bigo -n ${system} -o json`)) as {
          revision: number;
        }[];
        assert.equal(history.length, 5);
        await type(`helm rollback bigo 2 -n ${system} --wait`);
        await untilOnly(version);
      },
    ],
  ];

  it('`helm uninstall` leaves fleets, their pods and claims serving, and the document says how to remove those', async t => {
    const before = await fleetPods();
    const calm = new Crowd({ url: await chat.url(), model: real(), atOnce: 1, tokens: [10, 20] });
    t.after(() => calm.leave());
    const startMs = Date.now();
    calm.start();
    const [uninstall, ...rest] = [
      ...commandsOf('docs/helm.md', '## Uninstall'),
      ...commandsOf('docs/helm.md', '### The fleets too'),
    ];
    assert.match(await type(uninstall ?? ''), /ollamadeployments\.llm\.geeper\.io/);
    await until('the operator is gone', async () => noneOf(await podsOf(OPERATOR_APP)));
    const { length } = calm.ended;
    await calm.until(() => calm.ended.length >= length + 2, stateMsMax);
    const lost = (await calm.stop()).filter(one => one.end !== 'whole');
    assert.equal(lost.length, 0, told(lost, startMs));
    assert.deepEqual(await fleetPods(), before);
    const claims = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'default' };
    assert.equal((await node.plane.admin.list(claims)).length, 1);
    await typeAll(rest);
    await until('pods and claims are gone', async () =>
      noneOf([...(await fleetPods()), ...(await node.plane.admin.list(claims))]),
    );
  });
});

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

async function modelsAt(gateway: KubeObject, key: string): Promise<readonly unknown[]> {
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(`http://${gateway['status'].podIP}:11434/api/tags`, { headers });
  return ((await answer.json()) as { models: unknown[] }).models;
}

const noneOf = (left: readonly unknown[]): unknown => (left.length === 0 ? undefined : left);

/** `missing` tells what is not as it should be, and undefined when all is. */
async function until(what: string, missing: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + stateMsMax; ; await sleep(200)) {
    const seen = await missing();
    if (seen === undefined) return;
    if (Date.now() > deadline)
      throw new Error(`It never came to it that ${what}: ${JSON.stringify(seen).slice(0, 3_000)}`);
  }
}
