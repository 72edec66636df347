// A home lab without the internet, by the two guides for it: images out of archives, models out of a copied folder, then the profile
// as its guide brings it up. Each command is typed as it is printed, on a node that reaches no registry. Never a pull.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeArchive } from '../../../scripts/image/archive.ts';
import { guideCommands } from '../../cli/guides/commands.ts';
import { Follower } from '../../cli/guides/follow.ts';
import { endAll } from '../../tools/end-all.ts';
import { freePort } from '../../tools/free-port.ts';
import { find, skipUnless } from '../../tools/parts.ts';
import { startOllama } from '../../tools/real-ollama.ts';
import { tinyGguf } from '../../tools/tiny-gguf.ts';
import { ollamaImage } from '../tools/images.ts';
import { skipWithoutNode, startNode, type RunningNode } from '../tools/node.ts';

const storyMsMax = 15 * 60_000;
const root = path.join(import.meta.dirname, '..', '..', '..');
/** What the profile homelab wants. */
const profileModels = ['llama3.2:1b', 'qwen2.5:3b'] as const;
const order = ['docs/guides/air-gapped.md', 'docs/guides/home-lab.md'] as const;

const skip = (await skipWithoutNode()) || (await skipUnless('ollama', 'kubectl', 'foreign-kinds'));

describe('a home lab without the internet, by the guides', { skip, timeout: storyMsMax }, () => {
  let node: RunningNode;
  let person: Follower;

  before(async () => {
    node = await startNode();
    const { folder } = node.plane;
    await modelsOf(folder);
    await writeArchive(path.join(folder, 'ollama.tar'), [await ollamaImage()]);
    await node.plane.admin.applyYaml(nfsVolume(await volumeFolder(folder)));
    const kinds = (await find('foreign-kinds')) ?? '';
    for (const file of await readdir(kinds))
      await node.plane.admin.applyYaml(await readFile(path.join(kinds, file), 'utf8'));
    person = await aPerson(node);
  });
  after(() =>
    endAll(
      () => person?.stop(),
      () => node?.stop(),
    ),
  );

  for (const guide of order) {
    for (const step of guideCommands[guide].filter(({ on }) => on === 'pods')) {
      it(`${path.basename(guide)}: ${step.command}`, async () => {
        await person.follow(step);
      });
    }
  }
});

/** In the home of the person: the models folder of an Ollama that ran once where models were to be had. */
async function modelsOf(home: string): Promise<void> {
  const store = path.join(home, '.ollama', 'models');
  await mkdir(store, { recursive: true });
  const ollama = await startOllama({ store });
  try {
    for (const name of profileModels) await ollama.createModel(name, { gguf: tinyGguf({ name }) });
  } finally {
    await ollama.stop();
  }
}

async function volumeFolder(folder: string): Promise<string> {
  const volume = path.join(folder, 'nfs-volume');
  await mkdir(volume, { recursive: true });
  return volume;
}

/** What an NFS server and its provisioner would have made of the claim. */
function nfsVolume(folder: string): string {
  return `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: nfs-client}
provisioner: bigo.test/nothing
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: nfs-volume}
spec:
  capacity: {storage: 50Gi}
  accessModes: [ReadWriteMany]
  storageClassName: nfs-client
  claimRef: {namespace: ml, name: ollama}
  local: {path: ${folder}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]
`;
}

/** At a machine of this cluster, as root. */
async function aPerson({ place, plane }: RunningNode): Promise<Follower> {
  const { folder } = plane;
  const port = await freePort();
  const person = await Follower.at({
    folder,
    programs: [path.dirname((await find('kubectl')) ?? '')],
    env: { KUBECONFIG: plane.adminKubeconfig },
    standIns: {
      'npm run image': `npm --prefix ${root} run image`,
      'bigo.tar': path.join(folder, 'bigo.tar'),
      'ollama.tar': path.join(folder, 'ollama.tar'),
      '/srv/nfs/VOLUME': path.join(folder, 'nfs-volume'),
      'service/ollama 11434:': `service/ollama ${port}:`,
      'http://127.0.0.1:11434': `http://127.0.0.1:${port}`,
    },
  });
  const within = place.within.join(' ');
  await person.program('sudo', 'exec "$@"');
  const socket = path.join(folder, 'node', 'containerd.sock');
  // Without this person's own programs on its PATH, else it would find itself.
  const typed = `PATH="${process.env['PATH']}" exec ${within} ctr --address ${socket} "$@"`;
  await person.program('ctr', typed);
  return person;
}
