import type { RowLayout } from "./codec.ts";

/**
 * Changes rows `[tokens, heads * headSize]` head by head and block by block.
 *
 * @param change gets the numbers of one block of one head, `[blockSize, headSize]`, to change in place
 */
export const inHeadBlocks = (
  data: Float32Array,
  { tokens, heads, headSize }: RowLayout,
  blockSize: number,
  change: (x: Float32Array, head: number, firstToken: number) => void,
): void => {
  if (tokens === 0) return;
  const x = new Float32Array(blockSize * headSize);
  const at = (token: number, head: number): number => (token * heads + head) * headSize;
  for (let head = 0; head < heads; head++)
    for (let start = 0; start + blockSize <= tokens; start += blockSize) {
      for (let token = 0; token < blockSize; token++)
        x.set(data.subarray(at(start + token, head), at(start + token, head) + headSize), token * headSize);
      change(x, head, start);
      for (let token = 0; token < blockSize; token++)
        data.set(x.subarray(token * headSize, (token + 1) * headSize), at(start + token, head));
    }
};
