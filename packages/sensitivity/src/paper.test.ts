import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { keyFirstPairs, paperPairs, paretoPrune } from "./index.ts";

const folder = process.env["KVTUNER_SHARED"] ?? "";

const names = (pairs: typeof paperPairs): string[] =>
  pairs.map(({ key, value }) => (key === value ? `KV${key}` : `K${key}V${value}`));

const read = (file: string): unknown => JSON.parse(readFileSync(`${folder}/data/${file}`, "utf8"));

describe.skipIf(folder === "")("the paper's own tables (needs KVTUNER_SHARED)", () => {
  it("calls the same five pairs standard", () => {
    expect((read("search_space.json") as { STANDARD: string[] }).STANDARD).toEqual(names(keyFirstPairs));
  });

  it("prunes every published table of e_o by pair to the standard set", () => {
    const { columns, data } = (read("paper_results.json") as PaperResults).eo_by_pair;
    expect(columns).toEqual(names(paperPairs));
    const complete = Object.entries(data).filter(([, errors]) => errors.every((error) => error !== null));
    expect(complete.length).toBeGreaterThanOrEqual(3);
    for (const [model, errors] of complete) {
      const priced = paperPairs.map(({ key, value }, index) => ({ bits: (key + value) / 2, error: errors[index]! }));
      const kept = paretoPrune(priced).map((index) => paperPairs[index]!);
      expect({ model, kept: names(kept) }).toEqual({ model, kept: names(keyFirstPairs) });
    }
  });
});

interface PaperResults {
  readonly eo_by_pair: { readonly columns: string[]; readonly data: Record<string, (number | null)[]> };
}
