import { kernelTexts } from "../../generated/kernels.js";
import { type Variant, variantName } from "./variant.ts";

/** How a kernel uses a storage buffer. */
export type Access = "read" | "write";

/** A kernel before it is compiled. */
export interface KernelSource {
  /** Unlike that of any other kernel. */
  readonly name: string;
  readonly text: string;
  /** Of its storage buffers, from binding 1 on. */
  readonly accesses: readonly Access[];
}

/** What a part of a kernel is told of the tensor it is for; it says TENSOR where it has no name of its own. */
interface TensorNames {
  readonly prefix: string;
  readonly bits: string;
  readonly region: string;
  readonly data: string;
}

const TENSORS: Readonly<Record<"key" | "value" | "data", TensorNames>> = {
  key: { prefix: "key", bits: "KEY_BITS", region: "call.key", data: "keys" },
  value: { prefix: "value", bits: "VALUE_BITS", region: "call.value", data: "values" },
  data: { prefix: "data", bits: "call.bits", region: "call.region", data: "data" },
};

/** Text of a file of `kernels/`. */
export const part = (file: string): string => kernelTexts[file]!;

/** Text of a file that serves keys, values and data of either kind. */
export const partFor = (tensor: keyof typeof TENSORS, file: string): string => {
  const { prefix, bits, region, data } = TENSORS[tensor];
  return part(file)
    .replaceAll("TENSOR_BITS", bits)
    .replaceAll("TENSOR_REGION", region)
    .replaceAll("TENSOR_DATA", data)
    .replaceAll("TENSOR_", `${prefix}_`);
};

/** What WGSL calls dot products of four packed integers of 8 bits. */
export const PACKED_DOT_PRODUCTS = "packed_4x8_integer_dot_product";

/** Puts a kernel together: what it is known as, constants, and parts in any order. */
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
