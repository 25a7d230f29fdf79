import { relativeError } from "./exact.mjs";
import { ourAttention } from "./ours.mjs";

/**
 * Exact answers for the first and the last KV head, in double precision, by plan. Two are enough, because all heads hold the same
 * cache and an error in a single head would show in the last. It keeps the check to seconds at 32k tokens.
 */
export const openAnswers = (reference, { shape, length, token, seed }) => {
  const { queryHeads, kvHeads, headSize } = shape;
  const group = queryHeads / kvHeads;
  const partOf = (numbers, heads, kvHead) => numbers.slice(kvHead * heads * headSize, (kvHead + 1) * heads * headSize);
  const bothOf = (numbers, heads) => [0, kvHeads - 1].map((kvHead) => partOf(numbers, heads, kvHead));
  const rightOf = async (plan) => {
    const attention = await ourAttention(reference, plan, { queryHeads: group, kvHeads: 1, headSize }, length, seed);
    const [queries, keys, values] = [bothOf(token.query, group), bothOf(token.key, 1), bothOf(token.value, 1)];
    const right = [];
    for (const [index, query] of queries.entries())
      right.push(...(await attention.run({ query, key: keys[index], value: values[index] })));
    await attention.dispose();
    return Float32Array.from(right);
  };
  return {
    rightOf,
    /** Largest difference of the two heads' outputs from the exact ones. */
    errorOf: (output, right) =>
      relativeError(
        bothOf(output, group).flatMap((part) => [...part]),
        right,
      ),
  };
};
