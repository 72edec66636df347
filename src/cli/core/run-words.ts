// Which of the words after `bigo run` is the model and which the prompt. Pure; never asks a server.
import { nearNames, parseModelName } from '../../api/names.ts';
import { defaultModel, findModel, type ListedModel } from './model-list.ts';

export interface RunWords {
  readonly words: readonly string[];
  readonly piped: string | undefined;
  /** --model */
  readonly model: string | undefined;
  /** --tier */
  readonly tier: string | undefined;
  readonly known: readonly ListedModel[];
}

export type RunPlan =
  { readonly model: string; readonly prompt: string } | { readonly problem: string; readonly next: string };

/**
 * 1. --model or --tier names the model: every word is prompt.
 * 2. The first word is a model that is here: it is the model, never prompt.
 * 3. The first word of two could only be a model (`name:tag`), or the second is a quoted sentence: it is a model that is not here.
 * 4. Otherwise every word is prompt, for the default model.
 */
export function planRun(input: RunWords): RunPlan {
  if (input.model !== undefined && input.tier !== undefined) {
    return { problem: '--model and --tier both name a model', next: 'Give one of them.' };
  }
  if (input.tier !== undefined) return planTier(input, input.tier);
  if (input.model !== undefined) return planNamed(input, input.model, input.words);
  const [first = '', ...rest] = input.words;
  if (findModel(input.known, first) !== undefined || isUnknownModel(input.words))
    return planNamed(input, first, rest);
  const model = defaultModel(input.known);
  if (model !== undefined) return withPrompt(model, input.words, input.piped);
  return { problem: 'there is no model here', next: 'Add one: bigo pull llama3.2:1b' };
}

function isUnknownModel(words: readonly string[]): boolean {
  const [first = '', second = ''] = words;
  if (words.length < 2 || parseModelName(first) === undefined) return false;
  return first.includes(':') || (words.length === 2 && /\s/.test(second));
}

function planTier(input: RunWords, tier: string): RunPlan {
  if (findModel(input.known, tier) === undefined) {
    return {
      problem: `no model stands behind the tier ${tier}`,
      next: `Set workers.ollama.models.${tier} in the configuration and pull that model.`,
    };
  }
  return withPrompt(tier, input.words, input.piped);
}

function planNamed(input: RunWords, wanted: string, rest: readonly string[]): RunPlan {
  const model = findModel(input.known, wanted);
  if (model === undefined) {
    const near = nearNames(
      wanted,
      input.known.map(known => known.name),
    );
    const hint = near.length === 0 ? '' : ` Near names: ${near.join(', ')}.`;
    return {
      problem: `model '${wanted}' is not here.${hint}`,
      next: `Add it with \`bigo pull ${wanted}\`; if it was meant as prompt, put the whole prompt into quotes.`,
    };
  }
  // The name as it was typed: an alias or a tag stays what the person said.
  return withPrompt(wanted, rest, input.piped);
}

function withPrompt(model: string, words: readonly string[], piped: string | undefined): RunPlan {
  const parts = [words.join(' ').trim(), piped?.trim() ?? ''].filter(part => part !== '');
  if (parts.length > 0) return { model, prompt: parts.join('\n\n') };
  return {
    problem: `there is no prompt for ${model}`,
    next: `Write one: bigo run ${model} "…"; or talk to it: bigo chat ${model}`,
  };
}
