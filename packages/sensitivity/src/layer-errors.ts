import { measureHead, type HeadSums } from "./head-errors.ts";
import { assertLayerInput, type LayerInput, type ReadVersion, SensitivityError } from "./layer-input.ts";

/** The four errors of a layer under one pair, each by KV head. Every array has `kvHeads` numbers. */
export interface HeadErrors {
  /** e_k: mean relative error of the keys read quantized. */
  readonly key: readonly number[];
  /** e_v: mean relative error of the values read quantized. */
  readonly value: readonly number[];
  /** e_a: mean absolute error of the attention weights. */
  readonly attention: readonly number[];
  /** e_o: mean relative error of the attention output. */
  readonly output: readonly number[];
}

/** Errors of one pair of a key scheme and a value scheme. */
export interface PairErrors {
  readonly keyId: string;
  readonly valueId: string;
  readonly errors: HeadErrors;
}

/**
 * The paper's e_k, e_v, e_a and e_o (arXiv 2502.04420, section 3.2) of one layer, for every pair of the given key and value
 * schemes, key scheme by key scheme. In double precision, without errors carried over from other layers.
 *
 * - e_k and e_v are means of {@link relativeError} over the tokens that some query reads quantized, 0 if none does. This is
 *   the quantizer's own error, not diluted by recent tokens.
 * - e_a is the mean over queries of the mean of |a - â| over the tokens that the query sees, including exact ones.
 * - e_o is the mean over queries of {@link relativeError} of the output.
 * - Query heads that share a KV head are averaged.
 *
 * Attention weights are computed once per key scheme, outputs once per pair.
 *
 * @throws SensitivityError when arrays do not fit, or a number is not finite.
 */
export const measureLayerErrors = (
  input: LayerInput & { readonly keys: readonly ReadVersion[]; readonly values: readonly ReadVersion[] },
): PairErrors[] => {
  assertLayerInput(input);
  const heads = Array.from({ length: input.shape.kvHeads }, (_, head) => measureHead(input, head));
  return input.keys.flatMap((key, keyIndex) =>
    input.values.map((value, valueIndex) => {
      const pair = { keyId: key.id, valueId: value.id };
      const errors = pairErrors(heads, keyIndex, valueIndex, keyIndex * input.values.length + valueIndex);
      assertFinite(pair, errors);
      return { ...pair, errors };
    }),
  );
};

/**
 * {@link measureLayerErrors} for one pair, with every key and value up to the query's own read quantized, as the paper
 * measures. For several pairs of a layer use `measureLayerErrors`, which shares their work.
 */
export const measureAttentionErrors = (
  input: LayerInput & { readonly keyHat: ReadVersion["hat"]; readonly valueHat: ReadVersion["hat"] },
): HeadErrors => {
  const everything = { id: "quantized", range: () => ({ start: 0, end: Infinity }) };
  const [pair] = measureLayerErrors({
    ...input,
    keys: [{ ...everything, hat: input.keyHat }],
    values: [{ ...everything, hat: input.valueHat }],
  });
  return pair!.errors;
};

/** Mean over KV heads of each error. */
export const meanOverHeads = (errors: HeadErrors): Record<keyof HeadErrors, number> => ({
  key: mean(errors.key),
  value: mean(errors.value),
  attention: mean(errors.attention),
  output: mean(errors.output),
});

const pairErrors = (heads: readonly HeadSums[], key: number, value: number, pair: number): HeadErrors => ({
  key: heads.map((head) => head.key[key]!),
  value: heads.map((head) => head.value[value]!),
  attention: heads.map((head) => head.attention[key]!),
  output: heads.map((head) => head.output[pair]!),
});

const assertFinite = ({ keyId, valueId }: Omit<PairErrors, "errors">, errors: HeadErrors): void => {
  const broken = Object.values(errors)
    .flat()
    .findIndex((error) => !Number.isFinite(error));
  if (broken === -1) return;
  throw new SensitivityError(
    "SENSITIVITY_NOT_FINITE",
    `expected finite queries, keys, values and quantized versions, got an error of keys "${keyId}" with values "${valueId}" that is not finite; look for NaN or infinity in the layer's input`,
  );
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
