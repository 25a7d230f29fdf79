import { fc } from "@fast-check/vitest";
import type { Axis, TensorScheme } from "@kvtuner/plan";

/** Head sizes with transforms in one part (powers of two) and in several. */
export const HEAD_SIZES = [32, 64, 80, 96, 128] as const;

/** Bits that are stored as codes. */
export const CODE_BITS = [2, 3, 4, 5, 6, 8] as const;

const schemeOn = (axis: Axis): fc.Arbitrary<TensorScheme> =>
  fc.record({
    bits: fc.constantFrom(...CODE_BITS, 16 as const),
    format: fc.constantFrom("affine", "symmetric"),
    axis: fc.constant(axis),
    groupSize: axis === "token" ? fc.constantFrom("head" as const, 32, 64, 128, 48) : fc.constantFrom(32, 64, 128, 5),
    blockSize: fc.constant(1),
    transform: fc.constantFrom("none", "hadamard"),
  });

/** Any scheme of either axis, also with groups that straddle the end of a head vector or a block. */
export const anyScheme: fc.Arbitrary<TensorScheme> = fc.oneof(schemeOn("token"), schemeOn("channel"));

/** Every scheme with codes, once, at a group of 32 or the head. */
export const everyScheme = (): TensorScheme[] =>
  CODE_BITS.flatMap((bits) =>
    (["affine", "symmetric"] as const).flatMap((format) =>
      (["none", "hadamard"] as const).flatMap((transform): TensorScheme[] => [
        { bits, format, transform, axis: "token", groupSize: "head", blockSize: 1 },
        { bits, format, transform, axis: "token", groupSize: 32, blockSize: 1 },
        { bits, format, transform, axis: "channel", groupSize: 32, blockSize: 32 },
      ]),
    ),
  );
