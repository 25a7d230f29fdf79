import { blockFormatScheme, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import { largestNumbers } from "./largest-numbers.ts";
import { uniformSetting, type Calibration, type CodedLayers, type Method } from "./method.ts";

const layerOf = (scheme: TensorScheme): LayerScheme => ({
  key: scheme,
  value: scheme,
  residency: { kind: "prefix", sinks: 0, recent: 0 },
});

/** 8-bit integers of a scale: the arithmetic is that of ONNX Runtime's. */
const int8Of = (scale: number): TensorScheme => blockFormatScheme("ort-int8", { scales: [scale] });

/**
 * One scale for the keys and values of a layer: the largest magnitude of queries, keys and values over 127. TensorRT-LLM takes it from
 * the output of the projections, here it is from after RoPE.
 */
const calibratedInt8 = async (calibration: Calibration): Promise<CodedLayers> => {
  const largest = await largestNumbers(calibration);
  return {
    layers: largest.map(({ query, key, value }) => layerOf(int8Of(Math.max(query, key, value) / 127 || 1))),
  };
};

/** TensorRT-LLM's caches of 8-bit integers, with a calibrated scale for each layer, and of e4m3 floats, with a scale of 1. */
export const tensorrtLlmMethod: Method = {
  name: "tensorrt-llm",
  title: "TensorRT-LLM",
  source: "https://nvidia.github.io/TensorRT-LLM/reference/precision.html",
  settings: [
    { label: "int8", codec: "block-format", calibrate: calibratedInt8 },
    uniformSetting("fp8", layerOf({ kind: "float8", format: "e4m3", scope: "tensor", scales: [1], blockSize: 1 })),
  ],
};
