import { exllamav3 } from "./exllamav3.ts";
import { llamaCpp } from "./llama-cpp.ts";
import { mlx } from "./mlx.ts";
import { onnxruntime } from "./onnxruntime.ts";
import type { Runtime } from "./runtime.ts";
import { transformers } from "./transformers.ts";
import { vllm } from "./vllm.ts";

/** Runtimes that can be advised. A runtime is one file and one line here. */
export const RUNTIMES: readonly Runtime[] = [llamaCpp, vllm, onnxruntime, transformers, mlx, exllamav3];
