// Which gateway a command speaks to: flag, BIGO_URL, the newest running gateway of this user, OLLAMA_HOST, the default port. Never connects.
import { parseBackendUrl } from '../api/backend-spec.ts';
import { listRunFiles, type RunInfo } from '../platform/run-file.ts';
import type { Environment } from './core/env-layer.ts';
import { usageError } from './exit.ts';

export interface Target {
  readonly url: string;
  /** Why this address, for the error when nothing answers. */
  readonly origin: string;
  /** How a person names another address; absent = by --url. */
  readonly namedBy?: string;
  readonly token: string | undefined;
}

export interface TargetFlags {
  readonly url?: string;
  readonly admin?: string;
  readonly key?: string;
}

const DEFAULT_URL = 'http://127.0.0.1:11434';
const DEFAULT_ADMIN = 'http://127.0.0.1:11480';
const USUAL = 'the default address';

export function gatewayTarget(flags: TargetFlags, env: Environment): Target {
  const token = flags.key ?? nonEmpty(env.BIGO_KEY);
  const given = firstGiven([
    { text: flags.url, origin: '--url' },
    { text: env.BIGO_URL, origin: 'BIGO_URL' },
    { text: newestRun(env)?.url, origin: 'the running gateway of this user' },
    { text: clientHost(env.OLLAMA_HOST), origin: 'OLLAMA_HOST' },
  ]);
  return { ...(given ?? { url: DEFAULT_URL, origin: USUAL }), token };
}

export function adminTarget(flags: TargetFlags, env: Environment): Target {
  const run = newestRun(env);
  const given = firstGiven([
    { text: flags.admin, origin: '--admin' },
    { text: env.BIGO_ADMIN, origin: 'BIGO_ADMIN' },
    { text: run?.admin, origin: 'the running gateway of this user' },
  ]);
  const token = flags.key ?? nonEmpty(env.BIGO_ADMIN_TOKEN) ?? run?.adminToken ?? nonEmpty(env.BIGO_KEY);
  return { ...(given ?? { url: DEFAULT_ADMIN, origin: USUAL }), namedBy: '--admin or BIGO_ADMIN', token };
}

function newestRun(env: Environment): RunInfo | undefined {
  return listRunFiles(env)[0];
}

function firstGiven(candidates: readonly { text: string | undefined; origin: string }[]) {
  const found = candidates.find(candidate => nonEmpty(candidate.text) !== undefined);
  if (found?.text === undefined) return undefined;
  return { url: checkedUrl(found.text, found.origin), origin: found.origin };
}

export function checkedUrl(text: string, origin: string): string {
  const parsed = parseBackendUrl(text.replace(/\/+$/, ''));
  if ('url' in parsed) return parsed.url;
  throw usageError(`${origin} ${parsed.problem}, not "${text}"`);
}

// A server's OLLAMA_HOST may say "every address"; a client means this machine by it.
function clientHost(text: string | undefined): string | undefined {
  return nonEmpty(text)?.replace(/^(https?:\/\/)?(0\.0\.0\.0|\[::\])/, (_all, scheme: string | undefined) => {
    return `${scheme ?? ''}127.0.0.1`;
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}
