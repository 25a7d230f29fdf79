import {
  FLOAT16,
  layerScheme,
  type LayerScheme,
  PLAIN_TRANSFORM,
  type SchemeOf,
  type TensorScheme,
} from "@kvtuner/plan";
import { uniformSetting, type Method, type StaticSetting } from "./method.ts";

type Transform = SchemeOf<"transform">;

/** A random rotation by signs and a Hadamard transform, Gaussian levels, and the norm in 16 bits. */
const rotated = (bits: 2 | 3 | 4): Transform => ({
  ...PLAIN_TRANSFORM,
  bits,
  rotation: "hadamard",
  signs: 1,
  gain: "norm16",
});

/** As vLLM's `nc` presets have it: no signs, and a norm that makes the decoded vector as long as the original. */
const corrected = (bits: 3 | 4): Transform => ({ ...rotated(bits), signs: "none", gain: "norm16-corrected" });

const layerOf = (key: TensorScheme, value: TensorScheme = key): LayerScheme => ({
  key,
  value,
  residency: { kind: "prefix", sinks: 0, recent: 0 },
});

/** Layers at either end that vLLM leaves in 16 bits. */
const BOUNDARY = 2;

/** A preset of vLLM, whose values have a scale and a minimum in 16 bits per token and head. */
const preset = (label: string, key: TensorScheme, valueBits: 3 | 4): StaticSetting => {
  const { value } = layerScheme("per-token", { key: valueBits, value: valueBits });
  return {
    label,
    layers: ({ layers }) => {
      const skipped = Math.min(BOUNDARY, Math.floor(layers / 2));
      return Array.from({ length: layers }, (_, layer) =>
        layer < skipped || layer >= layers - skipped ? layerOf(FLOAT16) : layerOf(key, value),
      );
    },
  };
};

const FP8: SchemeOf<"float8"> = { kind: "float8", format: "e4m3", scope: "tensor", scales: [1], blockSize: 1 };

/** TurboQuant without its 1-bit residual, which hurts through the softmax, and vLLM's presets of it. */
export const turboquantMethod: Method = {
  name: "turboquant",
  title: "TurboQuant",
  source: "https://arxiv.org/abs/2504.19874",
  settings: [
    ...([4, 3, 2] as const).map((bits) => uniformSetting(`K${bits}V${bits}`, layerOf(rotated(bits)))),
    preset("vLLM k8v4", FP8, 4),
    preset("vLLM 4bit_nc", corrected(4), 4),
    preset("vLLM k3v4_nc", corrected(3), 4),
    preset("vLLM 3bit_nc", corrected(3), 3),
  ],
};
