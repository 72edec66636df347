// The Authorization header of each request. Reads a token file again when it may be old or was refused.
// Never keeps the text of a token longer than it is needed for the next request.
import { readFile } from 'node:fs/promises';
import type { KubeAccess } from './kubeconfig.ts';

export interface Credentials {
  header(): Promise<string | undefined>;
  /** The server answered 401: true when another try may send something else. */
  refused(): Promise<boolean>;
}

const tokenAgeMsMax = 60_000;

export function credentialsOf(access: KubeAccess, nowMs: () => number): Credentials {
  if (access.tokenFile !== undefined) return fromFile(access.tokenFile, nowMs);
  const fixed =
    access.token !== undefined
      ? `Bearer ${access.token}`
      : access.basic !== undefined
        ? `Basic ${access.basic}`
        : undefined;
  return { header: () => Promise.resolve(fixed), refused: () => Promise.resolve(false) };
}

function fromFile(file: string, nowMs: () => number): Credentials {
  let token: string | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<string> => {
    token = (await readFile(file, 'utf8')).trim();
    readAtMs = nowMs();
    return token;
  };
  return {
    header: async () => {
      const isFresh = token !== undefined && nowMs() - readAtMs < tokenAgeMsMax;
      return `Bearer ${isFresh ? token : await read()}`;
    },
    refused: async () => {
      await read();
      return true;
    },
  };
}
