import type { LayerScheme, SchemeOf, TensorScheme } from "@kvtuner/plan";
import { largestNumbers } from "./largest-numbers.ts";
import { uniformSetting, type Calibration, type CodedLayers, type Method } from "./method.ts";

type Float8 = SchemeOf<"float8">;

const scheme = (fields: Pick<Float8, "format" | "scope" | "scales">): Float8 => ({
  kind: "float8",
  blockSize: 1,
  ...fields,
});

const layerOf = (key: TensorScheme, value: TensorScheme = key): LayerScheme => ({
  key,
  value,
  residency: { kind: "prefix", sinks: 0, recent: 0 },
});

const tensorScale = (format: Float8["format"], scale: number): Float8 =>
  scheme({ format, scope: "tensor", scales: [scale] });

/** Largest number of e4m3. */
const E4M3_LARGEST = 448;

/** Scales of keys and values, per layer, that map the largest number of the calibration text to the largest of e4m3. */
const calibrated = async (calibration: Calibration): Promise<CodedLayers> => {
  const scaled = (number: number): Float8 => tensorScale("e4m3", number > 0 ? number / E4M3_LARGEST : 1);
  const largest = await largestNumbers(calibration);
  return { layers: largest.map(({ key, value }) => layerOf(scaled(key), scaled(value))) };
};

/** vLLM's 8-bit floating-point caches. `fp8` and `fp8_e5m2` have a scale of 1 unless the checkpoint has calibrated ones. */
export const fp8Method: Method = {
  name: "fp8",
  title: "fp8 of vLLM",
  source: "https://docs.vllm.ai/en/latest/features/quantization/quantized_kvcache.html",
  settings: [
    uniformSetting("fp8", layerOf(tensorScale("e4m3", 1))),
    uniformSetting("fp8_e5m2", layerOf(tensorScale("e5m2", 1))),
    { label: "fp8 calibrated", codec: "float8", calibrate: calibrated },
    uniformSetting("fp8_per_token_head", layerOf(scheme({ format: "e4m3", scope: "token", scales: "dynamic" }))),
  ],
};
