// Whether an OpenAI stream will tell its usage, and the edit that makes it. Never edits what it cannot read for sure.
import { BigoError } from '../../../api/errors.ts';
import { exactMember, type Fields, isFoldedIn } from './keys.ts';
import type { Member } from './scan.ts';
import type { Edit, InferenceRequest } from './types.ts';
import { badField, fieldOf, nestedOf } from './values.ts';

type UsageWish = Pick<InferenceRequest, 'usageAsked' | 'usageEdits'>;

export const USAGE_TOLD: UsageWish = { usageAsked: true, usageEdits: [] };
const WISH = '"include_usage":true';

/** For OpenAI streams only. */
export function readUsageWish(body: Uint8Array, fields: Fields): UsageWish | BigoError {
  if (fields.unsure) return USAGE_TOLD;
  const member = fieldOf(fields, 'stream_options', ['object']);
  if (member instanceof BigoError) return member;
  if (member !== undefined) return readStreamOptions(body, member);
  const absent = fields.found.stream_options;
  if (absent !== undefined) return edit(absent.start, absent.end, `{${WISH}}`);
  // A /v1 request streams only if it says so: there is a `stream` to write behind.
  const place = fields.found.stream?.end;
  return place === undefined ? USAGE_TOLD : edit(place, place, `,"stream_options":{${WISH}}`);
}

function readStreamOptions(body: Uint8Array, options: Member): UsageWish | BigoError {
  const nested = nestedOf(body, options, 'stream_options');
  if (nested instanceof BigoError) return nested;
  const { part, members } = nested;
  if (isFoldedIn(part, members, 'include_usage')) return USAGE_TOLD;
  const wish = exactMember(part, members, 'include_usage');
  if (wish === undefined) {
    const place = options.start + 1;
    return edit(place, place, members.length === 0 ? WISH : `${WISH},`);
  }
  if (wish.kind === 'true') return USAGE_TOLD;
  if (wish.kind !== 'false' && wish.kind !== 'null') {
    return badField('stream_options.include_usage', 'true or false');
  }
  return edit(options.start + wish.start, options.start + wish.end, 'true');
}

function edit(start: number, end: number, text: string): UsageWish {
  const change: Edit = { span: { start, end }, text };
  return { usageAsked: false, usageEdits: [change] };
}
