// Sums up a conversation as growing hashes, so that the next turn can be sent where this one ran. Never keeps text.
import type { PrefixMark } from '../scheduler/messages.ts';
import { hashText, mix } from './hash.ts';
import type { FieldName, Fields } from './keys.ts';
import type { Member } from './scan.ts';

/** What a template writes before the conversation; a picture counts by its hash only. */
const HEAD: readonly FieldName[] = ['tools', 'system', 'instructions', 'template', 'images'];
const CONVERSATION: readonly FieldName[] = ['messages', 'prompt', 'input'];

export interface PromptSummary {
  readonly promptBytes: number;
  /** Shortest first, at most 32. */
  readonly prefix: readonly PrefixMark[];
}

export function summarisePrompt(fields: Fields): PromptSummary {
  let lane1 = 0;
  let lane2 = 0;
  let headBytes = 0;
  for (const name of HEAD) {
    const member = fields.found[name];
    if (member === undefined || member.kind === 'null') continue;
    lane1 = mix(lane1, member.lane1, 0x01000193);
    lane2 = mix(lane2, member.lane2, 0x85ebca6b);
    headBytes += textBytes(member);
  }
  const prefix: PrefixMark[] = [];
  if (headBytes > 0) prefix.push({ hash: hashText(lane1, lane2), bytes: headBytes });
  let promptBytes = headBytes;
  for (const name of CONVERSATION) {
    const member = fields.found[name];
    if (member === undefined) continue;
    promptBytes += textBytes(member);
    if (prefix.length > 1) continue;
    for (const at of member.boundaries) {
      const hash = hashText(mix(lane1, at.lane1, 0x01000193), mix(lane2, at.lane2, 0x85ebca6b));
      prefix.push({ hash, bytes: headBytes + at.bytes });
    }
  }
  return { promptBytes, prefix };
}

function textBytes(member: Member): number {
  return member.end - member.start - member.blobBytes;
}
