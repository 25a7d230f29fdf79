import { syntheticNumbers } from "kvtuner";

/** Query, key and value of one token, all of them float16 numbers; queries of a length that makes some tokens matter more than others. */
export const newToken = ({ queryHeads, kvHeads, headSize }) => ({
  query: syntheticNumbers(queryHeads, headSize, 11).map((number) => 4 * number),
  key: syntheticNumbers(kvHeads, headSize, 12),
  value: syntheticNumbers(kvHeads, headSize, 13),
});
