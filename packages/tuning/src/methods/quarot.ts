import type { AffineScheme, LayerScheme } from "@kvtuner/plan";
import type { Method, StaticSetting } from "./method.ts";

/** Numbers that share a scale and a minimum; a head at most. */
const GROUP_SIZE = 128;

const layerOf = (bits: AffineScheme["bits"], headSize: number): LayerScheme => {
  const tensor: AffineScheme = {
    kind: "affine",
    bits,
    format: "affine",
    axis: "token",
    groupSize: headSize > GROUP_SIZE ? GROUP_SIZE : "head",
    blockSize: 1,
    transform: "hadamard",
    clip: 0.95,
  };
  return { key: tensor, value: tensor, residency: { kind: "prefix", sinks: 0, recent: 0 } };
};

const setting = (bits: AffineScheme["bits"]): StaticSetting => ({
  label: `K${bits}V${bits}`,
  layers: ({ layers, headSize }) => Array.from({ length: layers }, () => layerOf(bits, headSize)),
});

/** Its cache alone: keys after RoPE and values, rotated by a Hadamard transform, asymmetric codes of a range clipped to 95%. */
export const quarotMethod: Method = {
  name: "quarot",
  title: "QuaRot's cache",
  source: "https://arxiv.org/abs/2404.00456",
  settings: [setting(4), setting(3), setting(2)],
};
