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
