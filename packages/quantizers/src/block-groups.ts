import type { TensorScheme } from "@kvtuner/plan";

/** One group of a block `[tokens, headSize]`: numbers `offset + i * stride`, `i < count`; `endsRow` where codes fill up whole bytes. */
export interface BlockGroup {
  readonly offset: number;
  readonly count: number;
  readonly stride: number;
  readonly endsRow: boolean;
}

/** Groups of a block in the order they are stored: by token, then channels; or by group of tokens, then channel. */
export const blockGroups = (tokens: number, headSize: number, scheme: TensorScheme): BlockGroup[] => {
  const groups: BlockGroup[] = [];
  const size = scheme.groupSize === "head" ? headSize : scheme.groupSize;
  if (scheme.axis === "token")
    for (let token = 0; token < tokens; token++)
      for (let channel = 0; channel < headSize; channel += size)
        groups.push({
          offset: token * headSize + channel,
          count: Math.min(size, headSize - channel),
          stride: 1,
          endsRow: channel + size >= headSize,
        });
  else
    for (let token = 0; token < tokens; token += size)
      for (let channel = 0; channel < headSize; channel++)
        groups.push({
          offset: token * headSize + channel,
          count: Math.min(size, tokens - token),
          stride: headSize,
          endsRow: true,
        });
  return groups;
};
