import { compactMethod } from "./compact.ts";
import { exllamav3Method } from "./exllamav3.ts";
import { float16Method } from "./float16.ts";
import { fp4Method } from "./fp4.ts";
import { fp8Method } from "./fp8.ts";
import { kiviMethod } from "./kivi.ts";
import { kvarnMethod } from "./kvarn.ts";
import { kvquantMethod } from "./kvquant.ts";
import { llamaCppMethod } from "./llama-cpp.ts";
import type { Method } from "./method.ts";
import { mlxMethod } from "./mlx.ts";
import { onnxruntimeMethod } from "./onnxruntime.ts";
import { oscarMethod } from "./oscar.ts";
import { paluMethod } from "./palu.ts";
import { perTokenMethod } from "./per-token.ts";
import { quarotMethod } from "./quarot.ts";
import { skvqMethod } from "./skvq.ts";
import { tensorrtLlmMethod } from "./tensorrt-llm.ts";
import { transformMethod } from "./transform.ts";
import { transformersMethod } from "./transformers.ts";
import { turboquantMethod } from "./turboquant.ts";
import { vllmIntMethod } from "./vllm-int.ts";
import { zipcacheMethod } from "./zipcache.ts";

/** All methods. A method is one file and one line here. */
export const METHODS: readonly Method[] = [
  float16Method,
  fp8Method,
  kiviMethod,
  kvquantMethod,
  perTokenMethod,
  compactMethod,
  vllmIntMethod,
  tensorrtLlmMethod,
  llamaCppMethod,
  mlxMethod,
  exllamav3Method,
  transformersMethod,
  onnxruntimeMethod,
  fp4Method,
  turboquantMethod,
  paluMethod,
  transformMethod,
  quarotMethod,
  oscarMethod,
  skvqMethod,
  zipcacheMethod,
  kvarnMethod,
];
