export { attend, attendPart, beginRows, endRows, mergePart, scratchBytes, stateBytes } from "./attention";
export { appendExact, decode, encode, readCodes, readRows, writeCodes } from "./encode";
export { sumPanels, sumPanelsInto } from "./panels";

/** First byte behind the data of the kernels. */
export const heapBase: usize = __heap_base;
