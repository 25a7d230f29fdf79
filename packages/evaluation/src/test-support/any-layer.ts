import { fc } from "@fast-check/vitest";
import { FLOAT16, type GroupSize, type LayerScheme, type TensorScheme } from "@kvtuner/plan";

/** Layer schemes of affine codes on both axes, float16 and `others`; on axis token, groups are `tokenGroup` or the head. */
export const anyLayer = (tokenGroup: number, ...others: fc.Arbitrary<TensorScheme>[]): fc.Arbitrary<LayerScheme> => {
  const token = affine("token", ["head", tokenGroup], [1, 32]);
  const channel = affine("channel", [32], [32, 64]);
  const tensor = fc.oneof(token, channel, ...others, fc.constant(FLOAT16));
  return fc.record({
    key: tensor,
    value: tensor,
    residency: fc.record({
      kind: fc.constant("prefix"),
      sinks: fc.constantFrom(0, 1, 4),
      recent: fc.constantFrom(0, 5, 32),
    }),
  });
};

const affine = (
  axis: "token" | "channel",
  groupSizes: readonly GroupSize[],
  blockSizes: readonly number[],
): fc.Arbitrary<TensorScheme> =>
  fc
    .record({
      kind: fc.constant("affine" as const),
      bits: fc.constantFrom(1, 2, 3, 4, 8),
      format: fc.constantFrom("affine", "symmetric"),
      axis: fc.constant(axis),
      groupSize: fc.constantFrom(...groupSizes),
      blockSize: fc.constantFrom(...blockSizes),
      transform: fc.constantFrom("none", "hadamard"),
      parameters: fc.constantFrom("float16", "two-level"),
      clip: fc.constantFrom(1, 0.9),
      clipRule: axis === "token" ? fc.constantFrom("range", "magnitude") : fc.constant("range" as const),
    })
    .filter(({ bits, format }) => bits > 1 || format === "affine");
