import { transformers } from "../runtimes/transformers.ts";
import type { Method } from "./method.ts";
import { runtimeMethod } from "./runtime-method.ts";

/** The caches of Hugging Face's `transformers`. */
export const transformersMethod: Method = runtimeMethod(transformers, "transformers", "quanto and HQQ");
