import { KvtunerError } from "@kvtuner/plan";
import { MAX_FLOAT16 } from "./float16.ts";

/**
 * Rejects numbers that no scheme can store: NaN, infinity, and magnitudes above the largest float16. `where` names the
 * numbers in the message.
 *
 * @throws QuantizerError `QUANTIZER_NAN`, `QUANTIZER_INFINITE` or `QUANTIZER_OVERFLOW` with index and value
 */
export const assertEncodable = (numbers: Float32Array, where: string): void => {
  for (let index = 0; index < numbers.length; index++)
    if (!(Math.abs(numbers[index]!) <= MAX_FLOAT16)) throw unencodable(numbers[index]!, index, where);
};

const unencodable = (value: number, index: number, where: string): QuantizerError => {
  const expected = `expected numbers of magnitude up to ${MAX_FLOAT16} ${where}, got ${value} at index ${index}`;
  if (Number.isNaN(value))
    return new QuantizerError("QUANTIZER_NAN", `${expected}; find where the model computes NaN`, { index, value });
  if (!Number.isFinite(value))
    return new QuantizerError("QUANTIZER_INFINITE", `${expected}; find where the model overflows`, { index, value });
  return new QuantizerError("QUANTIZER_OVERFLOW", `${expected}; scale the tensor down or keep it in float32`, {
    index,
    value,
  });
};

/** Numbers, shapes and schemes that this package cannot encode or decode. */
export class QuantizerError extends KvtunerError {
  /** Index of the rejected number in the block, if any. */
  readonly index?: number;
  /** The rejected number, if any. */
  readonly value?: number;

  constructor(code: string, message: string, refused?: { readonly index: number; readonly value: number }) {
    super(code, message);
    this.name = "QuantizerError";
    if (refused) {
      this.index = refused.index;
      this.value = refused.value;
    }
  }
}
