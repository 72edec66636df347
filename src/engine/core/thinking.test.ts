// Thinking apart from content, however the answer is cut. Never judges text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { thinkingParser } from './thinking.ts';

function split(pieces: readonly string[], start: 'closed' | 'opened' = 'closed') {
  const parser = thinkingParser(start);
  const parts = [...pieces.map(piece => parser.push(piece)), parser.flush()];
  return {
    thinking: parts.map(part => part.thinking).join(''),
    content: parts.map(part => part.content).join(''),
  };
}

test('thinking and content are told apart, and white space around the tags belongs to neither', () => {
  assert.deepEqual(split(['\n<think>\nhmm, ', 'so\n</think>\n\nParis.']), {
    thinking: 'hmm, so',
    content: 'Paris.',
  });
});

test('an answer without tags is content only', () => {
  assert.deepEqual(split(['Par', 'is']), { thinking: '', content: 'Paris' });
  assert.deepEqual(split(['<thi', 'ng>']), { thinking: '', content: '<thing>' });
});

test('a prompt that ended with the opening tag begins with thinking', () => {
  assert.deepEqual(split(['\nhmm', '</think>yes'], 'opened'), { thinking: 'hmm', content: 'yes' });
});

test('an answer that ends while it thinks has no content', () => {
  assert.deepEqual(split(['<think>a', ' b </thi']), { thinking: 'a b </thi', content: '' });
});

test('the pieces may be cut anywhere', () => {
  const whole = '<think>\nLet me see. 2 < 3, and </t> is no tag.\n</think>\n\nThe answer is 4 > 3.';
  const expected = split([whole]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 90 }), sizes => {
      const pieces: string[] = [];
      let at = 0;
      for (const size of sizes) pieces.push(whole.slice(at, (at += size)));
      assert.deepEqual(split([...pieces, whole.slice(at)]), expected);
    }),
  );
});
