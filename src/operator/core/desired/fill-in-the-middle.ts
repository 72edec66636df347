// How each family of code models wants to be asked for the text between a prefix and a suffix. Never asks a model.

/** First fit wins; the words are the special tokens that each family was trained with. */
const FAMILIES: readonly (readonly [family: RegExp, template: string])[] = [
  [/codellama/i, '<PRE> {prefix} <SUF>{suffix} <MID>'],
  [/deepseek/i, '<｜fim▁begin｜>{prefix}<｜fim▁hole｜>{suffix}<｜fim▁end｜>'],
  [/codestral|devstral/i, '[SUFFIX]{suffix}[PREFIX]{prefix}'],
  [/starcoder|stable-code|granite/i, '<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>'],
];
/** Of Qwen's coders and CodeGemma, and the most common one. */
const COMMON = '<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>';

export function fillInTheMiddle(model: string): string {
  return FAMILIES.find(([family]) => family.test(model))?.[1] ?? COMMON;
}
