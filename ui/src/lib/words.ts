// The reasons in words, from the one list that the gateway uses. Never a second wording.
import { DISPATCH_REASONS, PLACE_REASONS, SKIP_REASONS } from '../../../src/api/reasons.ts';

const all: Record<string, string> = { ...SKIP_REASONS, ...PLACE_REASONS, ...DISPATCH_REASONS };

export function inWords(reason: string | undefined): string {
  return reason === undefined ? '' : (all[reason] ?? reason);
}
