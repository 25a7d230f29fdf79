import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Path in the folder of reference material that KVTUNER_SHARED names. */
export const sharedPath = (...parts) => {
  const folder = process.env.KVTUNER_SHARED;
  if (!folder)
    throw new Error(
      "expected KVTUNER_SHARED to name the folder with data/wikitext2_test.txt and the reference's figures",
    );
  return join(folder, ...parts);
};

/** A JSON file of the reference material. */
export const sharedJson = (name) => JSON.parse(readFileSync(sharedPath("data", name), "utf8"));

/** A Markdown table from rows of strings; the first row is the head. */
export const markdownTable = ([head, ...rows]) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

/** A share as a percentage. */
export const percent = (share) => (100 * share).toFixed(1);

/** A share with its standard error, as percentages. */
export const shares = (share, error) => `${percent(share)} ± ${percent(error)}`;

/** KL with its standard error. */
export const losses = ({ kl, klStandardError }) => `${kl.toPrecision(3)} ± ${klStandardError.toPrecision(2)}`;

const generator = (seed) => () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;

/** The items in another order, which depends on the seed. */
export const shuffled = (items, seed) => {
  const random = generator(seed);
  const result = [...items];
  for (let end = result.length - 1; end > 0; end--) {
    const other = Math.floor(random() * (end + 1));
    [result[end], result[other]] = [result[other], result[end]];
  }
  return result;
};
