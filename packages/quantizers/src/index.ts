export type { RowLayout } from "./fake-quantize.ts";
export { fakeQuantize } from "./fake-quantize.ts";
export { float16FromNumber, MAX_FLOAT16, numberFromFloat16, roundArrayToFloat16, roundToFloat16 } from "./float16.ts";
export { hadamardInPlace } from "./hadamard.ts";
