import { baselineKernels, dotProductKernels, relaxedKernels } from "../../generated/kernels.js";

/**
 * The modules: plain 128-bit SIMD; "relaxed", which adds fused multiply-add; "dot-products", which replaces dot products of
 * int16 by those of bytes.
 */
export type Simd = "baseline" | "relaxed" | "dot-products";

/** Exports of the kernels. Pointers are byte offsets in the memory; see `kernels/` for each function. */
export interface Kernels {
  /** First byte after the kernels' own data. */
  readonly heapBase: WebAssembly.Global;
  sumPanelsInto(sums: number): void;
  unitFactors(bits: number): number;
  splitFactors(bits: number, at: number, count: number): void;
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
  encode(layer: number, isValue: number, from: number, to: number, scratch: number): void;
  encodeFloat8(layer: number, isValue: number, from: number, to: number): void;
  encodeTransform(layer: number, isValue: number, encoders: number, from: number, to: number, scratch: number): void;
  decode(layer: number, isValue: number, from: number, to: number, scratch: number): void;
  readRows(layer: number, isValue: number, coded: number, from: number, to: number, out: number, scratch: number): void;
  readCodes(layer: number, isValue: number, head: number, from: number, to: number, out: number): void;
  writeCodes(layer: number, isValue: number, head: number, from: number, to: number, codes: number): void;
  scratchBytes(layer: number, rows: number): number;
  stateBytes(layer: number): number;
  attend(
    scratch: number,
    layer: number,
    head: number,
    segments: number,
    rows: number,
    query: number,
    out: number,
  ): void;
  beginRows(
    scratch: number,
    layer: number,
    head: number,
    segments: number,
    rows: number,
    query: number,
    states: number,
  ): void;
  attendPart(
    scratch: number,
    layer: number,
    head: number,
    segments: number,
    rows: number,
    from: number,
    to: number,
    begun: number,
    states: number,
  ): void;
  mergePart(layer: number, rows: number, into: number, part: number, begun: number): void;
  endRows(layer: number, head: number, rows: number, states: number, out: number): void;
}

/** Whether this engine knows relaxed SIMD. */
export const knowsRelaxedSimd = (): boolean => WebAssembly.validate(bytesOf("relaxed"));

/** Compiles the kernels for shared or unshared memories; each memory gets its own instance. */
export const compileKernels = async (simd: Simd = "baseline", shared = false): Promise<WebAssembly.Module> => {
  const code = bytesOf(simd);
  if (shared) importShared(code);
  return WebAssembly.compile(code);
};

/** In an import of a memory: its name's length and name, kind 2, then limits with the flags "has a maximum" and "is shared". */
const MEMORY_IMPORT = "\u0006memory\u0002";
const HAS_MAXIMUM = 1;
const IS_SHARED = 3;

/** Patches one byte instead of shipping two modules. */
const importShared = (code: Uint8Array): void => {
  const start = String.fromCharCode(...code.subarray(0, 1024)).indexOf(MEMORY_IMPORT);
  const flags = start + MEMORY_IMPORT.length;
  if (start < 0 || code[flags] !== HAS_MAXIMUM)
    throw new Error("expected the kernels to import a memory with a maximum, but they do not");
  code[flags] = IS_SHARED;
};

/** Kernels that work on `memory`. */
export const instantiateKernels = async (module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Kernels> => {
  const abort = (): never => {
    throw new Error("expected the kernels to run, but they aborted; the backend's own bookkeeping is wrong");
  };
  const instance = await WebAssembly.instantiate(module, { env: { memory, abort } });
  return instance.exports as unknown as Kernels;
};

const CODE: Readonly<Record<Simd, string>> = {
  baseline: baselineKernels,
  relaxed: relaxedKernels,
  "dot-products": dotProductKernels,
};

/** All modules. */
export const SIMDS: readonly Simd[] = ["baseline", "relaxed", "dot-products"];

/** From hexadecimal digits in lower case. */
const bytesOf = (simd: Simd): Uint8Array<ArrayBuffer> => {
  const digits = CODE[simd];
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = 16 * digitAt(digits, 2 * index) + digitAt(digits, 2 * index + 1);
  return bytes;
};

/** Letters follow "`", which is 0x60. */
const digitAt = (digits: string, place: number): number => {
  const code = digits.charCodeAt(place);
  return (code & 15) + 9 * (code >> 6);
};
