import { baselineKernels, relaxedKernels } from "../../generated/kernels.js";

/** Which of the two modules: plain 128-bit SIMD, or with fused multiply-add besides. */
export type Simd = "baseline" | "relaxed";

/** What the kernels export. Pointers are byte offsets in the memory; see `kernels/` for each function. */
export interface Kernels {
  /** First byte behind the kernels' own data. */
  readonly heapBase: WebAssembly.Global;
  readonly panelSums: WebAssembly.Global;
  sumPanels(
    bits: number,
    heads: number,
    codes: number,
    count: number,
    x: number,
    stride: number,
    panels: number,
    panelBytes: number,
  ): void;
  appendExact(layer: number, tensor: number, start: number, count: number, from: number): void;
  encode(layer: number, isValue: number, before: number, length: number, scratch: number): void;
  decode(layer: number, isValue: number, from: number, to: number, scratch: number): void;
  readRows(
    layer: number,
    isValue: number,
    length: number,
    from: number,
    to: number,
    out: number,
    scratch: number,
  ): void;
  readCodes(layer: number, isValue: number, head: number, from: number, to: number, out: number): void;
  writeCodes(layer: number, isValue: number, head: number, from: number, to: number, codes: number): void;
  scratchBytes(layer: number, rows: number): number;
  attend(
    layer: number,
    head: number,
    start: number,
    rows: number,
    query: number,
    out: number,
    stride: number,
    scratch: number,
  ): void;
}

/** Whether this engine knows relaxed SIMD. */
export const knowsRelaxedSimd = (): boolean => WebAssembly.validate(bytesOf("relaxed"));

/** Compiles the kernels; every memory gets an instance of its own. */
export const compileKernels = async (simd: Simd = "baseline"): Promise<WebAssembly.Module> =>
  WebAssembly.compile(bytesOf(simd));

/** Kernels that work on `memory`. */
export const instantiateKernels = async (module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Kernels> => {
  const abort = (): never => {
    throw new Error("expected the kernels to run, they aborted; the backend's own bookkeeping is wrong");
  };
  const instance = await WebAssembly.instantiate(module, { env: { memory, abort } });
  return instance.exports as unknown as Kernels;
};

const bytesOf = (simd: Simd): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(simd === "relaxed" ? relaxedKernels : baselineKernels), (character) => character.charCodeAt(0));
