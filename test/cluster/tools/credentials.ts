// Users of a test cluster: static tokens for people and control-plane servers, kubeconfig files for anyone.
// Never puts a secret outside the cluster's own temporary folder.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Credentials } from './kube-client.ts';

/** `stranger` is a user who may do nothing: what he is refused shows that permissions are asked for at all. */
export const staticUsers = [
  'admin',
  'stranger',
  'system:kube-controller-manager',
  'system:kube-scheduler',
  'node',
] as const;
export type StaticUser = (typeof staticUsers)[number];

const groups: Readonly<Partial<Record<StaticUser, string>>> = {
  admin: 'system:masters',
  // The node's servers of a test are one user: what the kubelet may do is not what these tests are about.
  node: 'system:masters',
};

export function newTokens(): Record<StaticUser, string> {
  const pairs = staticUsers.map(user => [user, randomBytes(16).toString('hex')]);
  return Object.fromEntries(pairs) as Record<StaticUser, string>;
}

/** The API server's token file: token, user, uid, groups. */
export function tokenFile(tokens: Readonly<Record<StaticUser, string>>): string {
  return staticUsers.map(user => `${tokens[user]},${user},${user},"${groups[user] ?? ''}"\n`).join('');
}

export async function writeKubeconfig(file: string, credentials: Credentials): Promise<string> {
  const { url, token, ca } = credentials;
  const trust =
    ca === undefined
      ? { 'insecure-skip-tls-verify': true }
      : { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: url, ...trust } }],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'user' } }],
    'current-context': 'test',
  };
  await writeFile(file, stringify(config), { mode: 0o600 });
  return path.resolve(file);
}
