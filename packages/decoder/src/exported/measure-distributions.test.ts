import { layerShape } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { type LayerDistribution, readDistributions } from "../architecture/layer-distribution.ts";
import type { Decoder } from "../decoder.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { node } from "../onnx/graph.ts";
import { exportedBytes, exportedConfig, exportedModel } from "../test-support/exported-model.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { loadExported, openExported } from "./exported-model.ts";
import { measureDistributions } from "./measure-distributions.ts";

const createSession = oneThreadSession;

const families: readonly [name: string, feature: string][] = [
  ["qwen2", "biases"],
  ["phi3.short", "RoPE in six of eight channels"],
  ["smollm3", "layers without RoPE"],
];

test.each(families)("what segments of %s compute, with %s, is what its weights predict", async (name) => {
  const gguf = await openGguf(bufferSource(familyGguf(familyModel(name))));
  const predicted = await readDistributions(gguf);
  const decoder = await loadDecoder(gguf, { createSession });
  const measured = await measureDistributions(decoder);
  expect(measured).toHaveLength(predicted.length);
  for (const [index, layer] of measured.entries()) {
    expectSameAngles(layer, predicted[index]!);
    // The first layer's input are embeddings, which are not normal.
    if (index > 0) expectSameChannels(layer, predicted[index]!, decoder);
  }
  await decoder.dispose();
});

const expectSameAngles = (
  measured: LayerDistribution,
  { ropeFrequencies = new Float64Array() }: LayerDistribution,
): void => {
  expect(measured.ropeFrequencies?.length ?? 0).toBe(ropeFrequencies.length);
  for (const [pair, frequency] of ropeFrequencies.entries())
    expect(measured.ropeFrequencies![pair]).toBeCloseTo(frequency, 4);
};

const expectSameChannels = (
  measured: LayerDistribution,
  predicted: LayerDistribution,
  { shape, config }: Decoder,
): void => {
  const { ropeFrequencies = [], ropeMagnitude = 1 } = predicted;
  const rows = Math.min(256, config.contextLength - 16);
  for (const tensor of ["query", "key"] as const)
    for (const [channel, deviation] of predicted[tensor].deviation.entries()) {
      const magnitude = channel % shape.headSize < 2 * ropeFrequencies.length ? ropeMagnitude : 1;
      const own = measured[tensor].deviation[channel]!;
      // Half of the rows are the others negated. Five standard errors of the deviation of the rest.
      expect(Math.abs(own / (magnitude * deviation) - 1)).toBeLessThan(5 / Math.sqrt(rows));
      // A mean of up to four standard errors counts as chance.
      const difference = measured[tensor].mean[channel]! - magnitude * predicted[tensor].mean[channel]!;
      expect(Math.abs(difference)).toBeLessThan((4.1 * own) / Math.sqrt(rows));
    }
};

test.each([0, 1])("exported models are measured too, with interleaved %i", async (interleaved) => {
  const graph = exportedModel("standard").graph!;
  for (const { opType, attribute } of graph.node)
    if (opType === "RotaryEmbedding") attribute.push(...node("", [], [], { interleaved }).attribute);
  const bytes = exportedBytes({ ...exportedModel("standard"), graph });
  const exported = openExported(bytes, { text: exportedConfig(), file: "config.json" });
  const decoder = await loadExported(exported, { createSession, name: "test" });
  const { headSize } = layerShape(decoder.shape, 0);
  const layers = await measureDistributions(decoder);
  for (const { ropeFrequencies, key } of layers) {
    // Its tables rotate half of each head. Of neighbours, it is not known how many pairs are rotated.
    expect(ropeFrequencies).toHaveLength(interleaved === 1 ? headSize / 2 : headSize / 4);
    for (const [pair, angle] of ropeFrequencies!.entries())
      expect(angle).toBeCloseTo(pair < headSize / 4 ? 10 ** -pair : 0, 4);
    expect(Math.min(...key.deviation)).toBeGreaterThan(0);
  }
  // The embeddings of a few tokens, in the first layer, have a mean.
  for (const { key } of layers.slice(1)) expect([...new Set(key.mean)]).toEqual([0]);
  await decoder.dispose();
});
