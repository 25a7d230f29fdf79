import { exllamav3 } from "../runtimes/exllamav3.ts";
import { llamaCpp } from "../runtimes/llama-cpp.ts";
import { mlx } from "../runtimes/mlx.ts";
import { onnxruntime } from "../runtimes/onnxruntime.ts";
import type { Runtime } from "../runtimes/runtime.ts";
import { transformers } from "../runtimes/transformers.ts";
import { vllm } from "./vllm.ts";

/** Runtimes that can be advised. A runtime is one file and one line here. */
export const RUNTIMES: readonly Runtime[] = [llamaCpp, vllm, onnxruntime, transformers, mlx, exllamav3];
