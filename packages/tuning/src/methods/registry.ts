import { compactMethod } from "./compact.ts";
import { float16Method } from "./float16.ts";
import { fp8Method } from "./fp8.ts";
import { kiviMethod } from "./kivi.ts";
import { kvarnMethod } from "./kvarn.ts";
import { kvquantMethod } from "./kvquant.ts";
import type { Method } from "./method.ts";
import { oscarMethod } from "./oscar.ts";
import { paluMethod } from "./palu.ts";
import { perTokenMethod } from "./per-token.ts";
import { quarotMethod } from "./quarot.ts";
import { skvqMethod } from "./skvq.ts";
import { tensorrtLlmMethod } from "./tensorrt-llm.ts";
import { transformMethod } from "./transform.ts";
import { turboquantMethod } from "./turboquant.ts";
import { vllmInt8Method } from "./vllm-int8.ts";
import { zipcacheMethod } from "./zipcache.ts";

/** All methods. A method is one file and one line here. */
export const METHODS: readonly Method[] = [
  float16Method,
  fp8Method,
  kiviMethod,
  kvquantMethod,
  perTokenMethod,
  compactMethod,
  vllmInt8Method,
  tensorrtLlmMethod,
  turboquantMethod,
  paluMethod,
  transformMethod,
  quarotMethod,
  oscarMethod,
  skvqMethod,
  zipcacheMethod,
  kvarnMethod,
];
