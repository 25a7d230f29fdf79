import { boundedLayer, type KernelScheme, kernelScheme, type TransformRows, transformRows } from "@kvtuner/backend";
import {
  type Asset,
  firstHeld,
  type LayerScheme,
  type LayerShape,
  layerSpan,
  quantizedPrefix,
  type TensorScheme,
  tensorShape,
} from "@kvtuner/plan";
import { encodedBytes } from "@kvtuner/quantizers";
import { MAX_TOKENS } from "../capabilities.ts";

/** Tokens per page of codes, and per page of 16-bit numbers; same as in kernels/tensor.cuh. */
export const CODE_PAGE_TOKENS = 128;
export const EXACT_PAGE_TOKENS = 64;

/** Storage of the keys or values of one layer. */
export interface TensorLayout {
  readonly scheme: TensorScheme;
  readonly numbers: KernelScheme;
  /** Rows of codes of the codec `transform`; undefined for other codecs. */
  readonly transform: TransformRows | undefined;
  /** The scheme whose residency decides which tokens are codes. */
  readonly layer: LayerScheme;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Tokens that a query reads, its own included; Infinity without a span. */
  readonly span: number;
}

/** The layout of keys or values under a layer scheme, with numbers limited to what the kernels can represent. */
export const layoutOf = (
  layer: LayerScheme,
  tensor: "key" | "value",
  shape: LayerShape,
  assets?: readonly Asset[],
): TensorLayout => {
  const { kvHeads, headSize } = tensorShape(shape, tensor);
  const bounded = boundedLayer(layer, MAX_TOKENS);
  const scheme = bounded[tensor];
  const transform = transformRows(scheme, assets, { kvHeads, headSize });
  const numbers = numbersOf(scheme, headSize);
  return { scheme, numbers, transform, layer: bounded, kvHeads, headSize, span: layerSpan(shape) };
};

/** Attention reads the codec `transform` as numbers of 32 bits that need no parameters. */
const numbersOf = (scheme: TensorScheme, headSize: number): KernelScheme =>
  scheme.kind === "transform"
    ? { ...kernelScheme({ kind: "float16" }, headSize), isCoded: true, bits: 32, blockSize: scheme.blockSize }
    : kernelScheme(scheme, headSize);

/** Tokens after the sinks that are read from codes at a length. */
export const prefixAt = ({ scheme, layer }: TensorLayout, length: number): number =>
  quantizedPrefix(scheme, layer, length);

/** Neighbouring tokens `begin .. end - 1`. */
export type TokenRange = readonly [begin: number, end: number];

/** Tokens after the sinks that become codes between lengths `from` and `to`, without those already dropped at `from`. */
export const encodedBetween = (layout: TensorLayout, from: number, to: number): TokenRange => {
  const begin = Math.max(prefixAt(layout, from), firstHeldAt(layout, from) - layout.layer.residency.sinks);
  return [begin, Math.max(begin, prefixAt(layout, to))];
};

/** Tokens that a tensor holds. */
export interface HeldRanges {
  /** In codes, counted after the sinks. */
  readonly codes: TokenRange;
  /** Sinks in 16 bits. */
  readonly before: TokenRange;
  /** Tokens after the codes in 16 bits. */
  readonly after: TokenRange;
}

/**
 * What a tensor of `length` tokens holds.
 *
 * @param readLength tokens whose queries all layers have answered. Between the two, tokens stay in every form that a query
 *   reads.
 */
export const heldRanges = (layout: TensorLayout, length: number, readLength: number = length): HeldRanges => {
  const { sinks } = layout.layer.residency;
  const first = firstHeldAt(layout, readLength);
  const firstCoded = Math.max(0, first - sinks);
  const endOfSinks = Math.min(sinks, length);
  return {
    codes: [firstCoded, Math.max(firstCoded, prefixAt(layout, length))],
    before: [Math.min(first, endOfSinks), endOfSinks],
    after: [Math.min(length, Math.max(first, sinks + prefixAt(layout, readLength))), length],
  };
};

/** The oldest token held at a length. */
export const firstHeldAt = ({ scheme, layer, span }: TensorLayout, length: number): number =>
  firstHeld(scheme, layer, span, length);

/** Bytes of a page of codes: exactly its tokens' bytes under the plan, but whole words for each token of the codec `transform`. */
export const codePageBytes = ({ scheme, transform, kvHeads, headSize }: TensorLayout): number =>
  kvHeads * (transform ? 4 * CODE_PAGE_TOKENS * transform.rowWords : encodedBytes(CODE_PAGE_TOKENS, headSize, scheme));

export const exactPageBytes = ({ kvHeads, headSize }: TensorLayout): number =>
  2 * kvHeads * headSize * EXACT_PAGE_TOKENS;
