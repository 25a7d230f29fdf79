import { type Asset, layerShape, type LayerScheme, type SchemeOf, tensorShape } from "@kvtuner/plan";
import type { Calibration, CodedLayers, Method, StaticSetting } from "./method.ts";

type Balanced = SchemeOf<"balanced">;

/** First tokens and newest tokens in 16 bits, as published. */
const RESIDENCY: LayerScheme["residency"] = { kind: "prefix", sinks: 5, recent: 128 };

/** Published size of a group of channels, and the smaller one that reordering within a head needs. */
const GROUP_SIZE = 128;
const REORDERED_GROUP_SIZE = 32;

const coded = (bits: Balanced["bits"], headSize: number, order = "none"): Balanced => ({
  kind: "balanced",
  bits,
  axis: "token",
  groupSize: order === "none" ? (headSize > GROUP_SIZE ? GROUP_SIZE : "row") : REORDERED_GROUP_SIZE,
  blockSize: 1,
  transform: "none",
  balance: "none",
  order,
  clip: 0.92,
  parameters: "float8",
});

const fixed = (value: Balanced["bits"]): StaticSetting => ({
  label: `K2V${value}`,
  layers: (shape) =>
    Array.from({ length: shape.layers }, (_, layer) => ({
      key: coded(2, tensorShape(layerShape(shape, layer), "key").headSize),
      value: coded(value, tensorShape(layerShape(shape, layer), "value").headSize),
      residency: RESIDENCY,
    })),
});

/** Channels of each head in the order of their range over the calibration text, so that groups hold channels of like range. */
const reordered = async ({ model, samples }: Calibration): Promise<CodedLayers> => {
  const shapes = Array.from({ length: model.shape.layers }, (_, layer) => layerShape(model.shape, layer));
  const ranges = shapes.map((shape) =>
    (["key", "value"] as const).map((tensor) => {
      const { kvHeads, headSize } = tensorShape(shape, tensor);
      return { tensor, kvHeads, headSize, extremes: new Extremes(kvHeads * headSize) };
    }),
  );
  for (const sample of samples)
    await model.trace(sample, (layer, trace) => {
      for (const { tensor, extremes } of ranges[layer]!) extremes.add(trace[tensor]);
    });
  const assets = ranges.flatMap((own, layer) =>
    own.map(({ tensor, kvHeads, headSize, extremes }): Asset => ({
      name: `layers.${layer}.${tensor}.order`,
      dtype: "float32",
      shape: [kvHeads, headSize],
      data: extremes.order(headSize),
    })),
  );
  const layers = ranges.map(([key, value], layer): LayerScheme => ({
    key: coded(2, key!.headSize, `layers.${layer}.key.order`),
    value: coded(2, value!.headSize, `layers.${layer}.value.order`),
    residency: RESIDENCY,
  }));
  return { layers, assets };
};

/** Smallest and largest number of each channel. */
class Extremes {
  readonly #smallest: Float32Array;
  readonly #largest: Float32Array;

  constructor(channels: number) {
    this.#smallest = new Float32Array(channels).fill(Infinity);
    this.#largest = new Float32Array(channels).fill(-Infinity);
  }

  /** Rows `[tokens, channels]`. */
  add(rows: Float32Array): void {
    const channels = this.#smallest.length;
    for (const [index, number] of rows.entries()) {
      const channel = index % channels;
      this.#smallest[channel] = Math.min(this.#smallest[channel]!, number);
      this.#largest[channel] = Math.max(this.#largest[channel]!, number);
    }
  }

  /** Channels of each head from the smallest to the largest range, `[heads, headSize]`. */
  order(headSize: number): Float32Array {
    const range = (channel: number): number => this.#largest[channel]! - this.#smallest[channel]!;
    const heads = Array.from({ length: this.#smallest.length / headSize }, (_, head) => head * headSize);
    return Float32Array.from(
      heads.flatMap((first) =>
        Array.from({ length: headSize }, (_, channel) => channel).toSorted(
          (one, other) => range(first + one) - range(first + other),
        ),
      ),
    );
  }
}

/**
 * Groups of 128 channels with parameters in 8-bit floats, clipped to 92%, for 2 bits and for three levels. The paper's groups
 * span heads; these stay within one, so reordering has its own setting with groups of 32. Keys are coded after RoPE.
 */
export const skvqMethod: Method = {
  name: "skvq",
  title: "SKVQ",
  source: "https://arxiv.org/abs/2405.06219",
  settings: [fixed(2), fixed(1.5), { label: "K2V2 reordered", codec: "balanced", calibrate: reordered }],
};
