import { headConstants } from "./head-constants.ts";
import { type Access, type KernelSource, kernelSource, part, partFor } from "./kernel-source.ts";
import { PLAIN } from "./variant.ts";

/** Kernels that move and encode rows. They are the same on every adapter, so that stored bits are too. */
export interface RowKernels {
  readonly append: KernelSource;
  readonly encodeRows: KernelSource;
  readonly encodeColumns: KernelSource;
  readonly readRows: KernelSource;
  readonly rotateRows: KernelSource;
}

/** The kernels for a head size. */
export const rowKernels = (headSize: number): RowKernels => {
  const known = kernelsOfSize.get(headSize) ?? composed(headSize);
  kernelsOfSize.set(headSize, known);
  return known;
};

/** Cached: building the text takes longer than a call. */
const kernelsOfSize = new Map<number, RowKernels>();

const composed = (headSize: number): RowKernels => {
  const constants = headConstants(headSize);
  const source = (file: string, accesses: readonly Access[], parts: readonly string[]): KernelSource =>
    kernelSource(`${file} ${headSize}`, accesses, PLAIN, constants, [part(file), ...parts]);
  const region = part("region");
  const float16 = [part("float16"), part("half-software")];
  const encode = [region, ...float16, part("words"), part("fit"), part("pack"), part("store-parameters")];
  return {
    append: source("append", ["read", "write", "write"], [region, ...float16]),
    encodeRows: source("encode-rows", ["read", "write"], [...encode, part("hadamard")]),
    encodeColumns: source("encode-columns", ["read", "write"], encode),
    readRows: source(
      "read-rows",
      ["read", "write"],
      [region, ...float16, part("words"), part("hadamard"), partFor("data", "codes"), partFor("data", "rows-16")],
    ),
    rotateRows: source("rotate-rows", ["write"], [region, part("hadamard")]),
  };
};
