import { syntheticNumbers } from "kvtuner";

/** Query, key and value of one token in float16 numbers. Queries are long enough that some tokens matter more than others. */
export const newToken = ({ queryHeads, kvHeads, headSize }) => ({
  query: syntheticNumbers(queryHeads, headSize, 11).map((number) => 4 * number),
  key: syntheticNumbers(kvHeads, headSize, 12),
  value: syntheticNumbers(kvHeads, headSize, 13),
});
