// The API server's audit log as a test reads it: who asked what, with which answer.
// Never drops an entry by itself; the policy leaves out only the line written before a request is answered.
import { open } from 'node:fs/promises';

export const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
`;

export interface AuditEntry {
  /** A watch is logged when it begins (ResponseStarted) and when it ends. */
  readonly stage: 'ResponseStarted' | 'ResponseComplete' | 'Panic';
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string; readonly groups?: readonly string[] };
  readonly userAgent?: string;
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly apiVersion?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code: number; readonly reason?: string };
  readonly requestReceivedTimestamp: string;
}

export const writeVerbs = ['create', 'update', 'patch', 'delete', 'deletecollection'] as const;

export interface AuditFilter {
  /** A user name, or the beginning of one that ends in `*`. */
  readonly user?: string;
  readonly verbs?: readonly string[];
  readonly namespace?: string;
  readonly resource?: string;
  /** From `auditMark()`: entries before it are left out. */
  readonly since?: number;
}

function fits(entry: AuditEntry, filter: AuditFilter): boolean {
  const { user, verbs, namespace, resource } = filter;
  const name = entry.user.username;
  if (user !== undefined && (user.endsWith('*') ? !name.startsWith(user.slice(0, -1)) : name !== user))
    return false;
  if (verbs !== undefined && !verbs.includes(entry.verb)) return false;
  if (namespace !== undefined && entry.objectRef?.namespace !== namespace) return false;
  return resource === undefined || entry.objectRef?.resource === resource;
}

/** Reads from a byte offset, so that a long log costs only its new part. */
export async function readAudit(file: string, filter: AuditFilter = {}): Promise<AuditEntry[]> {
  const handle = await open(file, 'r');
  try {
    const since = filter.since ?? 0;
    // One byte earlier: the mark may have been set while a line was half written, and that line is in front of it.
    const stream = handle.createReadStream({
      start: Math.max(since - 1, 0),
      encoding: 'utf8',
      autoClose: false,
    });
    let text = '';
    for await (const chunk of stream) text += chunk as string;
    const from = since === 0 ? 0 : text.indexOf('\n') + 1;
    const whole = text.slice(from, text.lastIndexOf('\n') + 1);
    const entries = whole.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as AuditEntry]));
    return entries.filter(entry => fits(entry, filter));
  } finally {
    await handle.close();
  }
}
