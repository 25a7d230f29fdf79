export { attend, scratchBytes } from "./attention";
export { appendExact, decode, encode, readCodes, readRows, writeCodes } from "./encode";
export { panelSums, sumPanels } from "./panels";

/** First byte behind the data of the kernels. */
export const heapBase: usize = __heap_base;
