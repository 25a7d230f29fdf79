import { fc } from "@fast-check/vitest";
import {
  type AffineScheme,
  type CacheShape,
  CODE_BITS,
  FLOAT16,
  type GroupSize,
  type LayerScheme,
  type TensorScheme,
} from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

/** Normal numbers from a seed, reproducible and fast. */
export const normals = (seed: number): (() => number) => {
  let state = seed >>> 0 || 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

/** Normal numbers times `scale`, float32 `[1, tokens, width]`. */
export const randomTensor = (next: () => number, tokens: number, width: number, scale: number): Tensor =>
  new Tensor(
    "float32",
    Float32Array.from({ length: tokens * width }, () => next() * scale),
    [1, tokens, width],
  );

const anyCodes = {
  kind: fc.constant("affine"),
  bits: fc.constantFrom(...CODE_BITS),
  format: fc.constantFrom("affine", "symmetric"),
  transform: fc.constantFrom("none", "hadamard"),
  signs: fc.constantFrom<NonNullable<AffineScheme["signs"]>>("none", "none", 7),
  parameters: fc.constantFrom("float16", "float16", "two-level"),
  clip: fc.constantFrom(1, 1, 0.9),
  clipRule: fc.constantFrom("range", "magnitude"),
} as const;

/** Changes fields that do not go together. */
const fitFields = (scheme: AffineScheme): AffineScheme => ({
  ...scheme,
  format: scheme.bits === 1 ? "affine" : scheme.format,
  signs: scheme.transform === "hadamard" ? scheme.signs! : "none",
  clipRule: scheme.axis === "channel" ? "range" : scheme.clipRule!,
});

const tokenScheme = (headSize: number): fc.Arbitrary<AffineScheme> =>
  fc
    .record({
      ...anyCodes,
      axis: fc.constant("token" as const),
      groupSize: fc.constantFrom<GroupSize>("head", ...[16, 32, 64, 128].filter((size) => size <= headSize)),
      blockSize: fc.constantFrom(1, 7, 32),
    })
    .map(fitFields);

const channelScheme: fc.Arbitrary<AffineScheme> = fc
  .record({
    ...anyCodes,
    axis: fc.constant("channel" as const),
    groupSize: fc.constantFrom(16, 32, 64, 128),
    blocks: fc.constantFrom(1, 2),
  })
  .map(({ blocks, ...scheme }) => fitFields({ ...scheme, blockSize: blocks * scheme.groupSize }));

const orFloat16 = (schemes: fc.Arbitrary<AffineScheme>): fc.Arbitrary<TensorScheme> =>
  fc.oneof({ weight: 4, arbitrary: schemes }, { weight: 1, arbitrary: fc.constant(FLOAT16) });

/** A cache of one layer, and how many tokens each call appends. */
export interface AttentionCase {
  readonly shape: CacheShape;
  readonly layer: LayerScheme;
  readonly calls: readonly number[];
  /** Size of the queries. */
  readonly scale: number;
  readonly seed: number;
}

const HEAD_SIZES = [16, 32, 64, 80, 96, 128, 256];

/** Every scheme, head size, value size and number of heads with a kernel path of its own. */
export const anyCase: fc.Arbitrary<AttentionCase> = fc
  .record({
    headSize: fc.constantFrom(...HEAD_SIZES),
    otherSize: fc.option(fc.constantFrom(...HEAD_SIZES)),
    kvHeads: fc.constantFrom(1, 2),
    ratio: fc.constantFrom(1, 2, 3, 4, 8),
  })
  .chain(({ headSize, otherSize, kvHeads, ratio }) => {
    const valueSize = otherSize ?? headSize;
    return fc.record({
      shape: fc.constant({ layers: 1, queryHeads: kvHeads * ratio, kvHeads, headSize, valueSize } satisfies CacheShape),
      layer: fc.record({
        key: orFloat16(fc.oneof(tokenScheme(headSize), channelScheme)),
        value: orFloat16(tokenScheme(valueSize)),
        residency: fc.record({
          kind: fc.constant("prefix"),
          sinks: fc.constantFrom(0, 4, 33),
          recent: fc.constantFrom(0, 5, 32),
        }),
      }),
      calls: fc.array(fc.constantFrom(1, 2, 17, 64, 65, 150), { minLength: 1, maxLength: 4 }),
      scale: fc.constantFrom(0.1, 1, 4),
      seed: fc.nat(),
    });
  });

/** Rows of one call of layer 0: normal numbers, queries times `scale`. */
export const randomRows = (
  next: () => number,
  tokens: number,
  { queryHeads, kvHeads, headSize, valueSize = headSize }: CacheShape,
  scale: number,
): readonly [query: Tensor, key: Tensor, value: Tensor] => [
  randomTensor(next, tokens, queryHeads * headSize, scale),
  randomTensor(next, tokens, kvHeads * headSize, 1),
  randomTensor(next, tokens, kvHeads * valueSize, 1),
];

/** Largest difference, relative to the largest number of the reference. */
export const relativeDifference = (got: Tensor, expected: Tensor): number => {
  const [a, b] = [got.data as Float32Array, expected.data as Float32Array];
  let difference = 0;
  let largest = 1e-30;
  for (let index = 0; index < b.length; index++) {
    if (Number.isNaN(a[index]!)) return NaN;
    difference = Math.max(difference, Math.abs(a[index]! - b[index]!));
    largest = Math.max(largest, Math.abs(b[index]!));
  }
  return difference / largest;
};
