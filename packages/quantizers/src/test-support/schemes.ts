import { fc } from "@fast-check/vitest";
import { type AffineScheme, type Axis, CODE_BITS, FLOAT16, type TensorScheme } from "@kvtuner/plan";

/** Head sizes with transforms of one part (powers of two) and of several. */
export const HEAD_SIZES = [32, 64, 80, 96, 128] as const;

const schemeOn = (axis: Axis): fc.Arbitrary<AffineScheme> =>
  fc.record({
    kind: fc.constant("affine"),
    bits: fc.constantFrom(...CODE_BITS),
    format: fc.constantFrom("affine", "symmetric"),
    axis: fc.constant(axis),
    groupSize: axis === "token" ? fc.constantFrom("head" as const, 32, 64, 128, 48) : fc.constantFrom(32, 64, 128, 5),
    blockSize: fc.constantFrom(1, 40),
    transform: fc.constantFrom("none", "hadamard"),
    signs: fc.constantFrom("none" as const, 7),
    parameters: fc.constantFrom("float16", "two-level"),
    clip: fc.constantFrom(1, 0.96, 0.37, 0.01),
    clipRule: axis === "token" ? fc.constantFrom("range", "magnitude") : fc.constant("range"),
  });

/** Any scheme of either axis, including groups that straddle the end of a head vector or a block. */
export const anyAffine: fc.Arbitrary<AffineScheme> = fc
  .oneof(schemeOn("token"), schemeOn("channel"))
  .filter(({ bits, format }) => bits > 1 || format === "affine")
  .map((scheme) => (scheme.transform === "hadamard" ? scheme : { ...scheme, signs: "none" as const }));

/** The same, and sometimes float16. */
export const anyScheme: fc.Arbitrary<TensorScheme> = fc.oneof(
  { weight: 6, arbitrary: anyAffine },
  { weight: 1, arbitrary: fc.constant(FLOAT16) },
);

/** Every scheme with codes, once, at a group of 32 or the head. */
export const everyScheme = (): AffineScheme[] =>
  CODE_BITS.flatMap((bits) =>
    (bits === 1 ? (["affine"] as const) : (["affine", "symmetric"] as const)).flatMap((format) =>
      (["none", "hadamard"] as const).flatMap((transform): AffineScheme[] => [
        { kind: "affine", bits, format, transform, axis: "token", groupSize: "head", blockSize: 1 },
        { kind: "affine", bits, format, transform, axis: "token", groupSize: 32, blockSize: 1 },
        { kind: "affine", bits, format, transform, axis: "channel", groupSize: 32, blockSize: 32 },
      ]),
    ),
  );
