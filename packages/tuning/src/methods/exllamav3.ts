import { exllamav3 } from "../runtimes/exllamav3.ts";
import type { Method } from "./method.ts";
import { runtimeMethod } from "./runtime-method.ts";

/** Codes of 2 to 8 bits after a Hadamard transform of 32 channels. */
export const exllamav3Method: Method = runtimeMethod(exllamav3, "exllamav3", "ExLlamaV3");
