import { llamaCpp } from "../runtimes/llama-cpp.ts";
import type { Method } from "./method.ts";
import { runtimeMethod } from "./runtime-method.ts";

/** One of ggml's types for keys and one for values, rotated where the head allows it. */
export const llamaCppMethod: Method = runtimeMethod(llamaCpp, "llama-cpp", "llama.cpp");
