import type { Tokenizer } from "@kvtuner/decoder";
import type { EncodedPrompt } from "./encode-task.ts";
import { greedyOutputs, type GreedyOptions } from "./greedy-outputs.ts";
import { lastNumber } from "./numbers.ts";

/** Options for generating numbers. */
export interface NumberOptions extends Pick<GreedyOptions, "decoder" | "openCache" | "maxTokens" | "signal"> {
  readonly tokenizer: Pick<Tokenizer, "decode" | "eosIds">;
}

/** Whether the last number in each prompt's greedy output, up to its stop, is the answer's. */
export const answerNumbers = async (
  prompts: readonly EncodedPrompt[],
  { tokenizer, ...options }: NumberOptions,
): Promise<boolean[]> => {
  const outputs = await greedyOutputs({
    ...options,
    prompts: prompts.map(({ ids }) => ids),
    endTokens: tokenizer.eosIds,
    isOver: (prompt, output) => hasStop(tokenizer.decode(output), prompts[prompt]!),
  });
  return prompts.map((prompt, index) => {
    const text = untilStop(tokenizer.decode(outputs[index]!), prompt);
    return lastNumber(text) === lastNumber(prompt.item.answer);
  });
};

const hasStop = (text: string, { item: { stop } }: EncodedPrompt): boolean => stop !== undefined && text.includes(stop);

const untilStop = (text: string, { item: { stop } }: EncodedPrompt): string =>
  stop === undefined ? text : text.split(stop, 1)[0]!;
