import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { groupLayers } from "./index.ts";

const folder = process.env["KVTUNER_SHARED"] ?? "";

interface SearchSpace {
  readonly LAYER_GROUPING: Record<string, Record<string, number[][]>>;
  readonly SPECIAL_LAYERS: Record<string, Record<string, { layers: number[]; candidates: string[] }[]>>;
  readonly TOT_LAYER: Record<string, number>;
  readonly STANDARD: string[];
}

const modes = ["per-token-asym", "per-channel-asym"];

/**
 * Sizes of the grouped search spaces, per token and per channel, counted from the published code. Two are null because
 * the published groups list layers twice (25 of the 14B model; 22, 24 and 25 of the 32B model, whose script fails).
 */
const spaceSizes: Record<string, [number, number | null]> = {
  "Meta-Llama-3.1-8B-Instruct": [15625, 15625],
  "Mistral-7B-Instruct-v0.3": [3125, 390625],
  "Qwen2.5-3B-Instruct": [468750, 390625],
  "Qwen2.5-7B-Instruct": [468750, 78125],
  "Qwen2.5-14B-Instruct": [15625, null],
  "Qwen2.5-32B-Instruct": [625, null],
};

const cases = Object.entries(spaceSizes).flatMap(([model, sizes]) =>
  modes.map((mode, index) => ({ model, mode, size: sizes[index] ?? null })).filter(({ size }) => size !== null),
);

/** Losses of a layer in a published group: groups are far apart, and layers of a group differ slightly. */
const lossesOf = (group: number, layer: number, count: number): number[] =>
  Array.from({ length: count }, (_, candidate) => group + 0.0001 * layer + 0.1 * candidate);

const space = (): SearchSpace => JSON.parse(readFileSync(`${folder}/data/search_space.json`, "utf8")) as SearchSpace;

describe.skipIf(folder === "")("the published groups of layers (needs KVTUNER_SHARED)", () => {
  it.each(cases)("of $model, $mode, are found again from losses made to fit them", ({ model, mode, size }) => {
    const { LAYER_GROUPING, SPECIAL_LAYERS, STANDARD } = space();
    const published = LAYER_GROUPING[model]![mode]!;
    const candidatesOf = (layer: number): string[] =>
      SPECIAL_LAYERS[model]![mode]!.find(({ layers }) => layers.includes(layer))?.candidates ?? STANDARD;
    const layers = published.flat().toSorted((a, b) => a - b);
    const groups = groupLayers({
      features: layers.map((layer) => {
        const group = published.findIndex((members) => members.includes(layer));
        return lossesOf(group, layer, candidatesOf(layer).length);
      }),
      candidateKeys: layers.map((layer) => candidatesOf(layer).join(",")),
      method: { kind: "dbscan", epsilon: 0.05, minimumSamples: 2 },
    }).map((group) => group.map((position) => layers[position]!));
    expect(groups).toEqual(published.map((group) => group.toSorted((a, b) => a - b)).toSorted((a, b) => a[0]! - b[0]!));
    const choices = groups.map((group) => candidatesOf(group[0]!).length);
    expect(choices.reduce((product, count) => product * count, 1)).toBe(size);
  });
});
