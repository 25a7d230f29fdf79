import { packCodes, unpackCodes } from "../../bit-packing.ts";
import { type GroupCoder, readFloat16, writeFloat16 } from "./group-coder.ts";

/** How codes follow from numbers, and numbers from codes and two stored float16 parameters. */
export interface GroupArithmetic {
  /** The codes of `x`, and the parameters to store. */
  readonly encode: (x: Float32Array) => { readonly codes: Uint8Array; readonly parameters: readonly number[] };
  readonly decode: (codes: Uint8Array, parameters: readonly number[], x: Float32Array) => void;
}

/**
 * A coder that stores float16 parameters, then codes lowest bit first. The runtimes that use it keep parameters and codes in
 * arrays of their own, of the same sizes.
 */
export const packedGroup = (bits: number, parameters: 1 | 2, { encode, decode }: GroupArithmetic): GroupCoder => ({
  encode: (x, bytes) => {
    const coded = encode(x);
    for (const [index, parameter] of coded.parameters.entries()) writeFloat16(bytes, 2 * index, parameter);
    bytes.set(packCodes(coded.codes, bits), 2 * parameters);
  },
  decode: (bytes, x) => {
    const stored = Array.from({ length: parameters }, (_, index) => readFloat16(bytes, 2 * index));
    decode(unpackCodes(bytes.subarray(2 * parameters), bits, x.length), stored, x);
  },
});
