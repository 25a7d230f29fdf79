import type { GroupSize, TensorScheme } from "@kvtuner/plan";
import type { SchemeFamily } from "./capabilities.ts";

/** True when one of the families has the scheme. Of a 16-bit scheme only the bits count. */
export const supportsScheme = (families: readonly SchemeFamily[], scheme: TensorScheme): boolean =>
  families.some((family) =>
    scheme.bits === 16
      ? family.bits.includes(16)
      : family.axis === scheme.axis &&
        family.bits.includes(scheme.bits) &&
        family.formats.includes(scheme.format) &&
        family.groupSizes.includes(scheme.groupSize) &&
        family.transforms.includes(scheme.transform),
  );

/**
 * The supported scheme that is most like `scheme`, `undefined` when no family lists any. The axis weighs most, then
 * format and transform, then the group size, then the bits; of two as near, the one with more bits.
 */
export const nearestScheme = (
  families: readonly SchemeFamily[],
  scheme: TensorScheme,
  headSize: number,
): TensorScheme | undefined => {
  let nearest: TensorScheme | undefined;
  for (const family of families)
    for (const candidate of schemesOf(family, scheme.blockSize)) {
      const gain = nearest ? distance(nearest, scheme, headSize) - distance(candidate, scheme, headSize) : 1;
      if (gain > 0 || (gain === 0 && candidate.bits > nearest!.bits)) nearest = candidate;
    }
  return nearest;
};

/** Every scheme of a family, with blocks of at least `blockSize` tokens. */
export const schemesOf = (family: SchemeFamily, blockSize: number): TensorScheme[] =>
  family.groupSizes.flatMap((groupSize) =>
    family.transforms.flatMap((transform) =>
      family.formats.flatMap((format) =>
        family.bits.map((bits) => ({
          bits,
          format,
          axis: family.axis,
          groupSize,
          blockSize: wholeGroups(family, groupSize, blockSize),
          transform,
        })),
      ),
    ),
  );

const wholeGroups = ({ axis }: SchemeFamily, groupSize: GroupSize, blockSize: number): number =>
  axis === "channel" && groupSize !== "head" ? groupSize * Math.max(1, Math.ceil(blockSize / groupSize)) : blockSize;

const distance = (a: TensorScheme, b: TensorScheme, headSize: number): number =>
  1000 * Number(a.axis !== b.axis) +
  300 * Number(a.format !== b.format) +
  300 * Number(a.transform !== b.transform) +
  20 * Math.abs(Math.log2(numbers(a.groupSize, headSize) / numbers(b.groupSize, headSize))) +
  Math.abs(a.bits - b.bits);

const numbers = (groupSize: GroupSize, headSize: number): number => (groupSize === "head" ? headSize : groupSize);
