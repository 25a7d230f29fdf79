import { layerScheme, parseShorthand } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import { unquantizedWarning } from "./unquantized.ts";

const K4V4 = { key: 4, value: 4 } as const;

describe("unquantizedWarning", () => {
  // Keys of compact: 4 sinks, 32 recent tokens, blocks of 128.
  test.each([
    ["compact", 36, /^keys and values are.*--sample-length 164 /],
    ["compact", 163, /^keys are.*--sample-length 164 /],
    ["compact", 164, /^none$/],
    ["kivi", 63, /^keys and values are.*--sample-length 64 /],
    ["per-token", 2, /^none$/],
  ] as const)("%s in samples of %d tokens", (mode, sampleLength, words) => {
    const warning = unquantizedWarning([parseShorthand("none").layer, layerScheme(mode, K4V4)], sampleLength);
    expect(warning ?? "none").toMatch(words);
  });

  test("16 bits are never meant to be quantized", () => {
    expect(unquantizedWarning([parseShorthand("none").layer], 2)).toBeUndefined();
  });
});
