// `bigo fill-secrets`: keys and tokens of a plain profile, made in the cluster by a Job. Never prints one, never replaces one.
import { hash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { completeSecret, type SecretMaker, type SecretNeed } from '../../operator/core/desired/secrets.ts';
import type { KubeClient } from '../../platform/kube/client.ts';
import type { App } from '../app.ts';
import { usageError } from '../exit.ts';
import { addClusterOptions, type ClusterFlags, namespaceOf, withCluster } from './access.ts';
import { SECRET } from './kinds.ts';

interface FillFlags extends ClusterFlags {
  readonly needs: string;
  readonly namespace?: string;
}

export function define(command: Command, app: App): void {
  addClusterOptions(command)
    .requiredOption('--needs <file>', 'which Secrets need what, as `bigo render` writes it')
    .option('-n, --namespace <name>', 'default: the one of the context or pod')
    .addHelpText('after', '\nExample:\n  $ bigo fill-secrets --needs /etc/bigo/secrets/needs.json')
    .action(async (flags: FillFlags) => {
      const needs = await readNeeds(flags.needs);
      await withCluster(app, flags, async ({ client, access }) => {
        for (const need of needs) {
          const count = await fill(client, namespaceOf(flags, access), need);
          app.terminal.print(`${need.name}: ${count === 0 ? 'complete' : `${count} entries made`}`);
        }
      });
    });
}

export const secretMaker: SecretMaker = {
  token: () => randomBytes(32).toString('base64url'),
  apiKey: () => `bigo-${randomBytes(32).toString('base64url')}`,
  hash: key => `sha256:${hash('sha256', key, 'hex')}`,
};

const needsMax = 20;

async function readNeeds(file: string): Promise<readonly SecretNeed[]> {
  const needs = JSON.parse(await readFile(file, 'utf8')) as readonly SecretNeed[];
  if (Array.isArray(needs) && needs.length <= needsMax) return needs;
  throw usageError(`${file} is no list of at most ${needsMax} Secrets`);
}

/** How many entries were missing. */
async function fill(client: KubeClient, namespace: string, need: SecretNeed): Promise<number> {
  const ref = { kind: SECRET, namespace, name: need.name };
  const live = await client.get(ref);
  const there = Object.entries((live['data'] ?? {}) as Readonly<Record<string, string>>);
  const have = Object.fromEntries(
    there.map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]),
  );
  const wanted = Object.entries(completeSecret(need, have, secretMaker)).filter(
    ([key, text]) => have[key] !== text,
  );
  if (wanted.length === 0) return 0;
  const data = Object.fromEntries(wanted.map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
  // With the version that was read: of two Jobs only one may make the keys.
  await client.merge(
    ref,
    { metadata: { resourceVersion: live.metadata.resourceVersion }, data },
    'bigo-secrets',
  );
  return wanted.length;
}
