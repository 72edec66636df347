// Tool calls in the forms that models write. Never calls a tool.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toolParser, toolTagOf } from './tool-calls.ts';
import type { ToolTag } from './tool-calls.ts';

function parse(tag: ToolTag, pieces: readonly string[]) {
  let ids = 0;
  const parser = toolParser({ tag, names: new Set(['weather', 'time']), newId: () => `call_${ids++}` });
  const parts = pieces.map(piece => parser.push(piece));
  return {
    content: parts.map(part => part.content).join('') + parser.flush(),
    calls: parts.flatMap(part => part.calls).map(call => [call.name, call.arguments]),
  };
}

test('the form of a call is read from the chat template', () => {
  assert.equal(toolTagOf('… <tool_call>{{ tool_call | tojson }}</tool_call>'), '<tool_call>');
  assert.equal(toolTagOf("{{ '[TOOL_CALLS] ' }}"), '[TOOL_CALLS]');
  assert.equal(toolTagOf('nothing known'), '{');
});

const answers: readonly [ToolTag, string][] = [
  [
    '<tool_call>',
    'Let me look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>{"name":"time","arguments":{}}</tool_call>',
  ],
  [
    '[TOOL_CALLS]',
    'Let me look.[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Paris"}}, {"name":"time","arguments":{}}]',
  ],
  [
    '<|python_tag|>',
    'Let me look.<|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}; {"name":"time","parameters":{}}',
  ],
];

test('calls are found in each form, however the text is cut', () => {
  for (const [tag, text] of answers) {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 60 }), sizes => {
        const pieces: string[] = [];
        let at = 0;
        for (const size of sizes) pieces.push(text.slice(at, (at += size)));
        const { content, calls } = parse(tag, [...pieces, text.slice(at)]);
        assert.deepEqual(calls, [
          ['weather', { city: 'Paris' }],
          ['time', {}],
        ]);
        assert.equal(content.replace(/[;\s]+$/, ''), 'Let me look.');
      }),
      { numRuns: 50 },
    );
  }
});

test('a bare object that names a tool is a call; any other text is content', () => {
  assert.deepEqual(parse('{', ['{"name":"weather",', '"parameters":{"city":"}"}}']).calls, [
    ['weather', { city: '}' }],
  ]);
  assert.deepEqual(parse('{', ['{"name":"unknown","parameters":{}}']), {
    content: '{"name":"unknown","parameters":{}}',
    calls: [],
  });
  assert.deepEqual(parse('{', ['Hello {', '"name"}']), { content: 'Hello {"name"}', calls: [] });
});

test('an unfinished call is given back as text rather than lost', () => {
  assert.equal(parse('<tool_call>', ['<tool_call>{"name": "wea']).content, '{"name": "wea');
});
