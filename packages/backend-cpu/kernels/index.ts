export { attend, attendPart, beginRows, endRows, mergePart, scratchBytes, stateBytes } from "./attention";
export { appendExact, decode, encode, readCodes, readRows, writeCodes } from "./encode";
export { encodeFloat8 } from "./encode-float8";
export { unitFactors } from "./layout";
export { sumPanelsInto } from "./panel-sums";
export { sumPanels } from "./panels";
export { decode1, decode2, decode3, decode4, decode5, decode6, decode7, decode8 } from "./transform-words";
export { splitFactors } from "./split-factors";
export { encodeTransform } from "./transform-encode";

/** First byte after the kernels' data. */
export const heapBase: usize = __heap_base;
