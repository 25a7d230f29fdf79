import { kernelTexts } from "../../generated/kernels.js";
import { type Variant, variantName } from "./variant.ts";

/** How a kernel uses a storage buffer. */
export type Access = "read" | "write";

export interface KernelSource {
  /** Unique among kernels. */
  readonly name: string;
  readonly text: string;
  /** Accesses of its storage buffers, from binding 1. */
  readonly accesses: readonly Access[];
}

/** Replacements for TENSOR_ names in a part that serves keys, values and other data. */
interface TensorNames {
  readonly prefix: string;
  readonly bits: string;
  readonly region: string;
  readonly units: string;
  readonly data: string;
}

const TENSORS: Readonly<Record<"key" | "value" | "data", TensorNames>> = {
  key: { prefix: "key", bits: "KEY_BITS", region: "call.key", units: "UNITS", data: "keys" },
  value: { prefix: "value", bits: "VALUE_BITS", region: "call.value", units: "VALUE_UNITS", data: "values" },
  data: { prefix: "data", bits: "call.bits", region: "call.region", units: "UNITS", data: "data" },
};

/** Text of a file of `kernels/`. */
export const part = (file: string): string => kernelTexts[file]!;

/** Text of a file of `kernels/` that serves several tensors, with the names of one. */
export const partFor = (tensor: keyof typeof TENSORS, file: string): string => {
  const { prefix, bits, region, units, data } = TENSORS[tensor];
  return part(file)
    .replaceAll("TENSOR_BITS", bits)
    .replaceAll("TENSOR_REGION", region)
    .replaceAll("TENSOR_UNITS", units)
    .replaceAll("TENSOR_DATA", data)
    .replaceAll("TENSOR_", `${prefix}_`);
};

/** WGSL's name for dot products of four packed 8-bit integers. */
export const PACKED_DOT_PRODUCTS = "packed_4x8_integer_dot_product";

/** Builds a kernel from its name, constants, and parts in any order. */
export const kernelSource = (
  name: string,
  accesses: readonly Access[],
  variant: Variant,
  constants: Readonly<Record<string, string>>,
  parts: readonly string[],
): KernelSource => {
  const lines = Object.entries(constants).map(([constant, value]) => `const ${constant} = ${value};`);
  const text = [...enables(variant), ...lines, ...parts].join("\n");
  return { name: `${name} ${variantName(variant)}`, accesses, text };
};

const enables = ({ float16, subgroups, packed }: Variant): string[] => [
  ...(float16 ? ["enable f16;"] : []),
  ...(subgroups ? ["enable subgroups;"] : []),
  ...(packed ? [`requires ${PACKED_DOT_PRODUCTS};`] : []),
];
