// Which Secrets there must be, and what stands in them. What is once there is never made anew: a lost key would lock everybody out.
// Never makes a random value: the caller's maker does.
import { KEYS_FILE } from '../../../api/cluster-files.ts';
import type { KubeObject } from '../../../api/kube-object.ts';
import type { Resolved } from '../../../api/ollama-deployment/resolve.ts';
import { type App, namesOf } from '../names.ts';
import type { Context, SecretTexts } from './input.ts';
import { object, secretData, yamlText } from './object.ts';

interface ApiKey {
  /** Key of the Secret that holds the plain text. */
  readonly entry: string;
  readonly id: string;
  readonly role: 'user' | 'admin';
}

export interface SecretNeed {
  readonly name: string;
  readonly app: App;
  /** False: the user's own; it is read and never written. */
  readonly isOurs: boolean;
  /** Random texts. */
  readonly tokens: readonly string[];
  /** Random texts in the form of a UUID. */
  readonly uuids?: readonly string[];
  /** API keys; with them goes a keys file of their hashes. */
  readonly apiKeys: readonly ApiKey[];
  /** Keys that the user's own Secret must have. */
  readonly wanted: readonly string[];
}

export interface SecretMaker {
  token(): string;
  apiKey(): string;
  /** As a keys file holds it. */
  hash(key: string): string;
}

const API_KEYS: readonly ApiKey[] = [
  { entry: 'admin-key', id: 'admin', role: 'admin' },
  { entry: 'user-key', id: 'user', role: 'user' },
  { entry: 'openwebui-key', id: 'openwebui', role: 'user' },
  { entry: 'tabby-key', id: 'tabby', role: 'user' },
];
export const WEBUI_SECRET = 'webui-secret-key';
export const TABBY_JWT_SECRET = 'jwt-token-secret';

/** Every Secret whose text desired() must be given. */
export function secretNeeds(resolved: Resolved): SecretNeed[] {
  const names = namesOf(resolved.name);
  const none = { tokens: [], apiKeys: [], wanted: [] };
  const needs: SecretNeed[] = [];
  if (resolved.gateway !== undefined) {
    needs.push({ ...none, name: names.gatewayAdmin, app: 'gateway', isOurs: true, tokens: ['token'] });
  }
  const keys = keysSecretName(resolved);
  if (keys === names.gatewayKeys) {
    needs.push({ ...none, name: keys, app: 'gateway', isOurs: true, apiKeys: API_KEYS });
  } else if (keys !== undefined) {
    needs.push({ ...none, name: keys, app: 'gateway', isOurs: false, wanted: wantedOf(resolved) });
  }
  if (resolved.openwebui !== undefined) {
    needs.push({ ...none, name: names.openwebui, app: 'openwebui', isOurs: true, tokens: [WEBUI_SECRET] });
  }
  if (resolved.tabby !== undefined) {
    needs.push({ ...none, name: names.tabby, app: 'tabby', isOurs: true, uuids: [TABBY_JWT_SECRET] });
  }
  return needs;
}

function wantedOf({ openwebui, tabby }: Resolved): string[] {
  return [
    KEYS_FILE,
    ...(openwebui === undefined ? [] : ['openwebui-key']),
    ...(tabby === undefined || tabby.ollama !== undefined ? [] : ['tabby-key']),
  ];
}

/** Undefined: the gateway asks for no key. */
export function keysSecretName({ name, gateway }: Resolved): string | undefined {
  if (gateway === undefined || gateway.auth.mode === 'none') return undefined;
  return gateway.auth.secretName ?? namesOf(name).gatewayKeys;
}

/** What is there stays; only what is missing is made. */
export function completeSecret(
  need: SecretNeed,
  have: Readonly<Record<string, string>>,
  maker: SecretMaker,
): Readonly<Record<string, string>> {
  if (!need.isOurs) return have;
  const tokens = need.tokens.map(key => [key, have[key] ?? maker.token()] as const);
  const uuids = (need.uuids ?? []).map(key => [key, have[key] ?? uuid(maker)] as const);
  const keys = need.apiKeys.map(key => [key.entry, have[key.entry] ?? maker.apiKey()] as const);
  const texts = Object.fromEntries([...tokens, ...uuids, ...keys]);
  if (need.apiKeys.length === 0) return texts;
  const isComplete = need.apiKeys.every(key => have[key.entry] !== undefined);
  const before = isComplete ? have[KEYS_FILE] : undefined;
  const entries = need.apiKeys.map(({ entry, id, role }) => ({
    id,
    role,
    hash: maker.hash(texts[entry] ?? ''),
  }));
  return { ...texts, [KEYS_FILE]: before ?? yamlText({ keys: entries }) };
}

/** As random as the token; version 4 (RFC 9562, section 5.4). */
function uuid(maker: SecretMaker): string {
  const hex = maker.hash(maker.token()).replace(/^.*:/, '');
  const part = (from: number, to: number): string => hex.slice(from, to);
  return [part(0, 8), part(8, 12), `4${part(13, 16)}`, `8${part(17, 20)}`, part(20, 32)].join('-');
}

export function secretObjects(context: Context): KubeObject[] {
  return (
    secretNeeds(context.resolved)
      // What is Tabby's goes into one Secret with its configuration.
      .filter(need => need.isOurs && need.app !== 'tabby')
      .map(need => {
        const identity = { apiVersion: 'v1', kind: 'Secret', name: need.name, app: need.app };
        return object(context, identity, {
          type: 'Opaque',
          data: secretData(context.secrets[need.name] ?? {}),
        });
      })
  );
}

/** Keys that the user's own Secret lacks. */
export function missingKeys(resolved: Resolved, secrets: SecretTexts): string[] {
  return secretNeeds(resolved).flatMap(need => {
    const have = secrets[need.name] ?? {};
    return need.wanted.filter(key => have[key] === undefined).map(key => `${need.name}: ${key}`);
  });
}
