// Sorts a model's text into content, thinking and tool calls. The plain path hands text through untouched.
import { NO_DELTA } from './core/answer.ts';
import type { Delta, Logprob } from './core/answer.ts';
import { thinkingParser } from './core/thinking.ts';
import type { ThinkingParser } from './core/thinking.ts';
import type { ToolParser } from './core/tool-calls.ts';

export interface TextParser {
  push(text: string, logprobs: readonly Logprob[]): Delta;
  flush(): Delta;
}

export interface TextParserInput {
  /** undefined = the model does not think; `hidden` = it does, but nobody wants to read it. */
  readonly thinking: { readonly start: 'closed' | 'opened'; readonly shown: boolean } | undefined;
  readonly tools: ToolParser | undefined;
}

export function createTextParser(input: TextParserInput): TextParser {
  if (input.thinking === undefined && input.tools === undefined) return PLAIN;
  const thinking: ThinkingParser | undefined =
    input.thinking === undefined ? undefined : thinkingParser(input.thinking.start);
  const shown = input.thinking?.shown === true;
  function sorted(split: { thinking: string; content: string }, logprobs: readonly Logprob[]): Delta {
    const found = input.tools?.push(split.content) ?? { content: split.content, calls: [] };
    return {
      content: found.content,
      thinking: shown ? split.thinking : '',
      toolCalls: found.calls,
      logprobs,
    };
  }
  return {
    push: (text, logprobs) => sorted(thinking?.push(text) ?? { thinking: '', content: text }, logprobs),
    flush() {
      const last = sorted(thinking?.flush() ?? { thinking: '', content: '' }, []);
      return { ...last, content: last.content + (input.tools?.flush() ?? '') };
    },
  };
}

const PLAIN: TextParser = {
  push: (content, logprobs) => ({ content, thinking: '', toolCalls: NO_DELTA.toolCalls, logprobs }),
  flush: () => NO_DELTA,
};
