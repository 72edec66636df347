// OpenWebUI and Tabby on pods, made by the operator: stand-ins that start only with what the real ones start with (test/fakes).
// Never the real images: they cannot be downloaded to a test machine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isDeepStrictEqual, promisify } from 'node:util';
import { freePort } from '../../tools/free-port.ts';
import { find, skipUnless } from '../../tools/parts.ts';
import { untilSeen } from '../../tools/until.ts';
import { Daemon } from '../tools/daemon.ts';
import { componentImages, fakeOllamaImages, imageNames } from '../tools/images.ts';
import type { KubeObject } from '../tools/kube-client.ts';
import { skipWithoutNode } from '../tools/node.ts';
import { Cluster, conditionOf, stateMsMax, type Fleet } from './fleet.ts';

const run = promisify(execFile);
const storyMsMax = 15 * 60_000;
const commandMsMax = 60_000;
const model = 'tiny:latest';
/** As little as a test machine has. */
const resources = { requests: { cpu: '20m', memory: '64Mi' } };
const host = 'chat.example.com';
const hello = [{ role: 'user', content: 'hello' }];

const noNginx = await skipUnless('nginx');
const skip = (await skipWithoutNode()) || (await skipUnless('kubectl'));

describe('components on pods', { skip, timeout: storyMsMax }, () => {
  let cluster: Cluster;
  let fleet: Fleet;
  let session: Record<string, string>;
  let tabbySecret: string | undefined;

  const webui = async (target: string, body?: object): Promise<Response> => {
    const url = (await fleet.url('openwebui', '/health')) + target;
    const given = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    return fetch(url, { ...given, headers: session });
  };
  const tabby = async (target: string, body?: object): Promise<Record<string, unknown>> => {
    const url = (await fleet.url('tabby', '/v1/health')) + target;
    const given = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(url, given);
    assert.equal(answer.status, 200, await answer.clone().text());
    return (await answer.json()) as Record<string, unknown>;
  };
  const complete = (prefix: string) => tabby('/v1/completions', { segments: { prefix, suffix: '}' } });
  const both = async (holds: (pod: KubeObject) => boolean): Promise<void> => {
    await fleet.settled('openwebui', 1, holds);
    await fleet.settled('tabby', 1, holds);
  };
  /** That they reach models, remember what was said, and know who was signed in. */
  const work = async (said: string): Promise<void> => {
    const listed = async (): Promise<unknown> => (await webui('/api/models')).json();
    await untilSeen('the model is listed', listed, seen => isDeepStrictEqual(seen, { data: [model] }));
    const answer = await webui('/api/chat/completions', {
      model,
      messages: [{ role: 'user', content: said }],
    });
    assert.match(await answer.text(), /"content"/);
    assert.equal(typeof (await complete(said))['text'], 'string');
    assert.equal(typeof (await tabby('/v1/chat/completions', { messages: hello }))['text'], 'string');
    const chats = (await (await webui('/api/v1/chats/')).json()) as string[];
    const { kept, embedding, secret } = await tabby('/stand-in');
    assert.ok(chats.some(text => text.includes('first')) && chats.at(-1)?.includes(said), String(chats));
    assert.deepEqual([(kept as string[]).at(0), (kept as string[]).at(-1)], ['first', said]);
    assert.ok(Number(embedding) > 0);
    tabbySecret ??= String(secret);
    assert.equal(secret, tabbySecret);
  };

  before(async () => {
    cluster = await Cluster.start(async ({ plane }) => [
      ...(await fakeOllamaImages(plane.folder, `--token-ms 1 --tokens-median 5 --models ["${model}"]`)),
      ...(await componentImages(plane.folder)),
    ]);
    fleet = await cluster.fleet({
      name: 'team',
      ollama: {
        replicas: 1,
        image: 'bigo.test/fake-ollama',
        imageTag: '1',
        models: [model],
        resources,
        storage: { mode: 'ephemeral', size: '64Mi' },
      },
      gateway: { replicas: 1, resources, auth: { mode: 'keys' } },
      openwebui: {
        enabled: true,
        image: imageNames.openwebui,
        imageTag: '1',
        resources,
        service: { port: 80 },
        ingress: { enabled: true, host },
      },
      tabby: { enabled: true, image: imageNames.tabby, imageTag: '1', resources, service: { port: 9090 } },
    });
  });
  after(() => cluster.stop());

  it('start beside a gateway that wants keys, under restricted Pod Security', async () => {
    await fleet.ready();
    await both(() => true);
    const signIn = await fetch(`${await fleet.url('openwebui', '/health')}/api/v1/auths/signin`, {
      method: 'POST',
    });
    session = { authorization: `Bearer ${((await signIn.json()) as { token: string }).token}` };
    await work('first');
  });

  it('two Tabbys run as one, and whoever asks for them is told', async () => {
    const file = path.join(cluster.node.plane.folder, 'two.json');
    await writeFile(file, JSON.stringify({ spec: { tabby: { replicas: 2 } } }));
    const target = ['ollamadeployment', fleet.name, '-n', fleet.namespace];
    const { stderr } = await run(
      (await find('kubectl')) ?? '',
      ['patch', ...target, '--type=merge', '--patch-file', file],
      { env: { ...process.env, KUBECONFIG: cluster.node.plane.adminKubeconfig }, timeout: commandMsMax },
    );
    assert.match(stderr, /Tabby keeps its data in SQLite, which bears one pod/);
    await fleet.ready();
    const pods = await fleet.pods('tabby');
    assert.equal(pods.length, 1);
    assert.equal(conditionOf(pods[0], 'Ready')?.status, 'True');
  });

  it('a WebSocket reaches OpenWebUI by its Ingress', { skip: noNginx }, async () => {
    const ref = fleet.ref('networking.k8s.io/v1', 'Ingress', 'team-openwebui');
    const [rule] = (await cluster.admin.get(ref))['spec'].rules;
    assert.equal(rule.host, host);
    assert.equal(rule.http.paths[0].backend.service.name, 'team-openwebui');
    const port = await freePort();
    const folder = cluster.node.plane.folder;
    const file = path.join(folder, 'nginx.conf');
    await writeFile(file, nginxConf(port, await fleet.url('openwebui', '/health')));
    const command = [(await find('nginx')) ?? '', '-c', file, '-p', folder];
    const nginx = new Daemon({ name: 'nginx', command, folder });
    await nginx.start();
    try {
      const at = `127.0.0.1:${port}`;
      await nginx.until(async () => (await fetch(`http://${at}/health`)).ok, stateMsMax);
      assert.equal(await pinged(`ws://${at}/ws/socket.io/?EIO=4&transport=websocket`), '3');
    } finally {
      await nginx.end('SIGTERM');
    }
  });

  it('keep their data and sessions when their pods are replaced', async () => {
    const old = [...(await fleet.pods('openwebui')), ...(await fleet.pods('tabby'))];
    for (const { metadata } of old) await cluster.admin.delete(fleet.ref('v1', 'Pod', metadata.name));
    const uids = old.map(({ metadata }) => metadata.uid);
    await both(pod => !uids.includes(pod.metadata.uid));
    await work('restarted');
  });

  it('keep them over an upgrade of their images', async () => {
    await fleet.patch({ openwebui: { imageTag: '2' }, tabby: { imageTag: '2' } });
    await both(pod => String(pod['spec'].containers[0].image).endsWith(':2'));
    await work('upgraded');
  });

  it('follow the gateway when it wants no keys any more', async () => {
    await fleet.patch({ gateway: { auth: { mode: 'none' } } });
    await fleet.settled('openwebui', 1, pod => variable(pod, 'ENABLE_OLLAMA_API') === 'true');
    await fleet.settled('tabby', 1, pod =>
      String(pod.metadata.annotations?.['llm.geeper.io/config']).includes('ollama/completion'),
    );
    await fleet.ready();
    await work('open');
  });

  it('are not called ready with an address that they cannot use', async () => {
    const envVars = [{ name: 'OLLAMA_BASE_URL', value: 'http://team-ollama:11434/v1' }];
    await fleet.patch({ openwebui: { envVars } });
    const { message } = await fleet.untilCondition('Degraded', 'ContainerCrashing');
    assert.match(message, /pod team-openwebui-\S+, container openwebui: .*\(exit code 1\)/);
    assert.equal(conditionOf(await fleet.until(() => true), 'Ready')?.status, 'False');
    await fleet.patch({ openwebui: { envVars: [] } });
    await fleet.ready();
    await work('mended');
  });
});

function variable(pod: KubeObject, name: string): string | undefined {
  const env = pod['spec'].containers[0].env as { name: string; value?: string }[];
  return env.find(one => one.name === name)?.value;
}

/** What an ingress controller of nginx makes of every rule: connections may become WebSockets. */
function nginxConf(port: number, upstream: string): string {
  return `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`;
}

/** What it answers to a ping of Engine.IO. */
function pinged(url: string): Promise<string> {
  const socket = new WebSocket(url);
  return new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${url} never answered`)), stateMsMax);
    const end = (): void => {
      clearTimeout(late);
      socket.close();
    };
    socket.addEventListener('error', () => {
      end();
      reject(new Error(`${url} is no WebSocket`));
    });
    socket.addEventListener('message', ({ data }) => {
      if (String(data).startsWith('0')) socket.send('2');
      else {
        end();
        resolve(String(data));
      }
    });
  });
}
