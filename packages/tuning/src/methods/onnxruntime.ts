import { onnxruntime } from "../runtimes/onnxruntime.ts";
import type { Method } from "./method.ts";
import { runtimeMethod } from "./runtime-method.ts";

/** Static int8 and int4 caches of GroupQueryAttention, with scales from the calibration text. */
export const onnxruntimeMethod: Method = runtimeMethod(onnxruntime, "onnxruntime", "ONNX Runtime");
