// Renders chats with the GGUF's own Jinja template. Keeps compiled templates; never uses the store's Go template.
import { EngineFailure, badRequest } from './core/failure.ts';
import { foldSystem, templateMessages } from './core/messages.ts';
import type { Message, Tool } from './core/messages.ts';
import type { Think } from './core/requests.ts';
import type { Jinja, LlamaModel } from './llama-types.ts';

export interface ChatInput {
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly think: Think | undefined;
}

export interface Templates {
  render(source: string, model: LlamaModel, input: ChatInput): string;
}

type Template = InstanceType<Jinja['Template']>;
const templatesKeptMax = 32;

export function createTemplates(jinja: Jinja): Templates {
  const kept = new Map<string, Template>();
  function compiled(source: string): Template {
    const known = kept.get(source);
    if (known !== undefined) return known;
    if (kept.size >= templatesKeptMax) kept.clear();
    const template = compile(jinja, source);
    kept.set(source, template);
    return template;
  }
  return {
    render(source, model, input) {
      const template = compiled(source);
      try {
        return template.render(values(model, input));
      } catch (error) {
        return renderFolded(template, model, { input, error });
      }
    },
  };
}

function compile(jinja: Jinja, source: string): Template {
  try {
    return new jinja.Template(source);
  } catch (error) {
    throw new EngineFailure(500, `template error: ${messageOf(error)}`);
  }
}

/** Some templates refuse a system message: its text then goes to the user's. */
function renderFolded(
  template: Template,
  model: LlamaModel,
  failed: { input: ChatInput; error: unknown },
): string {
  const { input, error } = failed;
  const folded = foldSystem(input.messages);
  if (folded.length === input.messages.length) throw badRequest(`template error: ${messageOf(error)}`);
  try {
    return template.render(values(model, { ...input, messages: folded }));
  } catch (second) {
    throw badRequest(`template error: ${messageOf(second)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function values(model: LlamaModel, input: ChatInput): Record<string, unknown> {
  const thinking = input.think === undefined ? {} : { enable_thinking: input.think !== false };
  const effort = typeof input.think === 'string' ? { reasoning_effort: input.think } : {};
  return {
    messages: templateMessages(input.messages),
    ...(input.tools.length === 0 ? {} : { tools: input.tools }),
    add_generation_prompt: true,
    bos_token: model.tokens.bosString ?? '',
    eos_token: model.tokens.eosString ?? '',
    ...thinking,
    ...effort,
  };
}
