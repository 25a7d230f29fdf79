import { headConstants, valueConstants } from "./head-constants.ts";
import { type KernelSource, kernelSource, part, partFor } from "./kernel-source.ts";
import { type Variant, variantName } from "./variant.ts";

/**
 * How kernels read codes of the codec `transform`: `folded` ones are channels of a basis that queries or outputs change to; `turned` ones
 * are channels of keys before RoPE; `mixed` ones need a product with a matrix for each key before RoPE.
 */
export type TransformForm = "folded" | "turned" | "mixed";

/** Format of keys or values: 16-bit rows, or codes grouped along a token or a channel. */
export interface ReadFormat {
  /** False for 16-bit rows. */
  readonly isCoded: boolean;
  readonly bits: number;
  readonly isChannel: boolean;
  /** Of codes of the codec `transform`. */
  readonly form?: TransformForm | undefined;
}

/** What an attention kernel is specialized for. */
export interface AttendKernel {
  readonly headSize: number;
  readonly valueSize: number;
  /** Query vectors per workgroup, a power of two. */
  readonly vectors: number;
  readonly key: ReadFormat;
  readonly value: ReadFormat;
  /** Whether scores have a cap. */
  readonly isCapped: boolean;
}

/** Words of a row: 16 channels take 1, 1.5, 2, 4 or 8 words with 2, 3, 4, 8 or 16 bits. */
export const rowWords = (bits: number, headSize: number): number => Math.ceil((headSize * bits) / 32);

/** Most numbers of query vectors in shared memory. */
const QUERY_NUMBERS = 1024;
const MOST_VECTORS = 16;

/** Of heads of a size: that of keys or of values, whichever is larger. */
const mostVectors = (size: number): number => Math.min(MOST_VECTORS, 2 ** Math.floor(Math.log2(QUERY_NUMBERS / size)));

/** Query vectors per workgroup, for `count` vectors in all; `size` as for {@link mostVectors}. */
export const vectorsFor = (count: number, size: number): number =>
  Math.min(mostVectors(size), 2 ** Math.ceil(Math.log2(count)));

/** The attention kernel for one format of keys and one of values. */
export const attendSource = (kernel: AttendKernel, requested: Variant): KernelSource => {
  const variant = { ...requested, packed: requested.packed && canPack(kernel, requested) };
  const name = `${kernelName(kernel, variant)} ${variantName(variant)}`;
  const known = sources.get(name) ?? composed(kernel, variant);
  sources.set(name, known);
  return known;
};

/** Beyond this, digits of queries and parameters of keys per channel exceed 16 KiB of shared memory. */
const LARGEST_PACKED_HEAD = 224;

/** Packed dot products need codes with one scale per token: 16-bit keys and keys per channel are unpacked. */
const canPack = ({ headSize, valueSize, key }: AttendKernel, { specialized }: Variant): boolean =>
  Math.max(headSize, valueSize) <= LARGEST_PACKED_HEAD &&
  !(specialized && (!key.isCoded || key.isChannel)) &&
  !key.form;

const sources = new Map<string, KernelSource>();

const kernelName = (kernel: AttendKernel, { specialized }: Variant): string => {
  const { headSize, valueSize, vectors, key, value, isCapped } = kernel;
  const sizes = `${headSize} ${valueSize}`;
  const cap = isCapped ? " capped" : "";
  return specialized
    ? `attend ${sizes} ${vectors} ${formatName(key)} ${formatName(value)}${cap}`
    : `attend ${sizes}${formName("k", key)}${formName("v", value)}${cap}`;
};

const formatName = ({ bits, isChannel, form }: ReadFormat): string => form ?? `${bits}${isChannel ? "c" : "t"}`;

const formName = (prefix: string, { form }: ReadFormat): string => (form ? ` ${prefix}-${form}` : "");

const composed = (kernel: AttendKernel, variant: Variant): KernelSource => {
  const { headSize, valueSize } = kernel;
  const { constants, names } = variant.specialized ? specialized(kernel) : forAll(kernel);
  const hasTables = kernel.key.form !== undefined || kernel.value.form !== undefined;
  const all = {
    ...headConstants(headSize),
    ...valueConstants(headSize, valueSize),
    ...constants,
    ...(hasTables && { TABLES_BINDING: "7u", IS_CAPPED: String(kernel.isCapped) }),
  };
  return kernelSource(
    kernelName(kernel, variant),
    ["read", "read", "read", "read", "write", "write", ...(hasTables ? (["read"] as const) : [])],
    variant,
    all,
    partsOf(kernel, variant).map((text) => renamed(text, names)),
  );
};

const COMMON_PARTS = ["attend", "region", "weights", "words", "float16"];

/** Beyond this, parameters of a tile's keys per channel exceed 16 KiB of shared memory. */
const LARGEST_STAGED_HEAD = 256;

const partsOf = (kernel: AttendKernel, { float16, subgroups, packed }: Variant): string[] => [
  ...COMMON_PARTS.map(part),
  ...keyParts(kernel, packed),
  ...valueParts(kernel),
  ...(kernel.key.form || kernel.value.form ? [part("transform-tables")] : []),
  part(float16 ? "half-native" : "half-software"),
  part(subgroups ? "largest-subgroup" : "largest-shared"),
  part(kernel.isCapped ? "softcap" : "no-softcap"),
];

const keyParts = ({ headSize, key: { form } }: AttendKernel, isPacked: boolean): string[] =>
  form
    ? [partFor("key", "transform-codes"), ...["transform-keys", ...SCORE_PARTS[form]].map(part)]
    : [
        ...["scores", "keys", "key-16", "key-codes", "key-token"].map(part),
        ...["codes", "rows-16"].map((file) => partFor("key", file)),
        part(isPacked ? "scores-packed" : "scores-unpacked"),
        part(headSize <= LARGEST_STAGED_HEAD ? "key-channel" : "key-channel-direct"),
      ];

const SCORE_PARTS: Readonly<Record<TransformForm, readonly string[]>> = {
  folded: ["transform-keys-folded"],
  turned: ["transform-keys-turned", "transform-numbers-plain"],
  mixed: ["transform-keys-turned", "transform-numbers-mixed"],
};

const valueParts = ({ value: { form } }: AttendKernel): string[] =>
  form
    ? [partFor("value", "transform-codes"), part("transform-values")]
    : [part("values"), ...["codes", "rows-16"].map((file) => partFor("value", file))];

/** What is a constant of a kernel, and what each call passes instead. */
interface Knowledge {
  readonly constants: Readonly<Record<string, string>>;
  readonly names: Readonly<Record<string, string>>;
}

/** Passed in each call to keep the loop over a row rolled: unrolled, it would be most of the kernel. */
const UNITS_IN_CALL = { UNIT_COUNT: "call.unit_count" };

const specialized = ({ vectors, key, value }: AttendKernel): Knowledge => ({
  constants: {
    VECTORS: `${vectors}u`,
    VECTOR_COUNT: `${vectors}u`,
    UNIT_QUADS: "4u",
    KEY_BITS: `${key.bits}u`,
    VALUE_BITS: `${value.bits}u`,
    IS_KEY_CHANNEL: String(key.isChannel),
  },
  names: UNITS_IN_CALL,
});

const forAll = ({ headSize, valueSize }: AttendKernel): Knowledge => ({
  constants: { VECTORS: `${mostVectors(Math.max(headSize, valueSize))}u` },
  names: {
    VECTOR_COUNT: "call.vector_count",
    ...UNITS_IN_CALL,
    UNIT_QUADS: "call.unit_quads",
    IS_KEY_CHANNEL: "call.is_key_channel != 0u",
    KEY_BITS: "call.key_bits",
    VALUE_BITS: "call.value_bits",
  },
});

const renamed = (text: string, names: Knowledge["names"]): string =>
  Object.entries(names).reduce((changed, [name, expression]) => changed.replaceAll(name, expression), text);
