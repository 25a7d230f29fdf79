import {
  type AffineScheme,
  bitsOf,
  blockTokens,
  completeScheme,
  FLOAT16,
  FORMATS,
  type FieldValues,
  type GroupSize,
  literalsOf,
  schemeFault,
  type TensorScheme,
} from "@kvtuner/plan";
import type { AffineFamily, FieldFamily, SchemeFamily } from "./capabilities.ts";

/** True if one of the families has the scheme. */
export const supportsScheme = (families: readonly SchemeFamily[], scheme: TensorScheme): boolean =>
  families.some((family) => {
    if (family.kind !== scheme.kind) return false;
    if ("fields" in family) return hasFields(family.fields, scheme);
    if (family.kind === "float16" || scheme.kind !== "affine") return true;
    return (
      family.axis === scheme.axis &&
      family.bits.includes(scheme.bits) &&
      family.formats.includes(scheme.format) &&
      family.groupSizes.includes(scheme.groupSize) &&
      hasValue(family.transforms, scheme.transform) &&
      hasRefinements(family, scheme)
    );
  });

/** Fields of schemes that came later: a family without them has the defaults. */
const hasRefinements = (
  { clip: clips, parameters: forms = ["float16"], signs: hasSigns }: AffineFamily,
  { clip = 1, parameters = "float16", signs = "none" }: AffineScheme,
): boolean => (clips || clip === 1) && forms.includes(parameters) && (hasSigns || signs === "none");

/** Fields that a family does not list have their defaults. */
const hasFields = (fields: FieldFamily["fields"], scheme: TensorScheme): boolean => {
  const defaults = FORMATS[scheme.kind]?.defaults ?? {};
  return Object.entries({ ...defaults, ...scheme }).every(([name, value]) =>
    name === "kind" || name in fields
      ? name === "kind" || hasValue(fields[name]!, value)
      : value === (defaults as Record<string, unknown>)[name],
  );
};

const hasValue = (values: FieldValues, value: unknown): boolean => {
  if (Array.isArray(value)) return values.includes("numbers");
  if (typeof value === "string" && values.includes("asset")) return true;
  if (values.includes(value as string)) return true;
  return typeof value === "number" && (values.includes("count") || (values.includes("share") && value <= 1));
};

/**
 * The supported scheme most like `scheme`; `undefined` if no family lists any. The codec counts most, then the axis, then
 * format and transform, then signs, parameters and clip, then the group size, then the bits. Of two equally near, the one with more bits.
 */
export const nearestScheme = (
  families: readonly SchemeFamily[],
  scheme: TensorScheme,
  headSize: number,
): TensorScheme | undefined => {
  let nearest: TensorScheme | undefined;
  for (const family of families)
    for (const candidate of schemesOf(family, blockTokens(scheme), headSize)) {
      const gain = nearest ? distance(nearest, scheme, headSize) - distance(candidate, scheme, headSize) : 1;
      if (gain > 0 || (gain === 0 && bitsOf(candidate) > bitsOf(nearest!))) nearest = candidate;
    }
  return nearest;
};

/** Every scheme of a family with listed fields that fits heads of a size, in blocks of at least `blockSize` tokens. */
export const schemesOf = (family: SchemeFamily, blockSize: number, headSize = 1): TensorScheme[] => {
  if ("fields" in family) return fieldSchemesOf(family, blockSize, headSize);
  return family.kind === "float16" ? [FLOAT16] : affineSchemesOf(family, blockSize);
};

const fieldSchemesOf = ({ kind, fields }: FieldFamily, blockSize: number, headSize: number): TensorScheme[] => {
  let schemes: Record<string, unknown>[] = [{ kind }];
  for (const [name, values] of Object.entries(fields)) {
    const listed = listedValues(values, blockSize);
    schemes = schemes.flatMap((scheme) => listed.map((value) => ({ ...scheme, [name]: value })));
  }
  return (schemes as unknown as TensorScheme[]).filter((scheme) => !schemeFault(scheme, { kvHeads: 1, headSize }));
};

const listedValues = (values: FieldValues, blockSize: number): FieldValues => [
  ...literalsOf(values),
  ...(values.includes("count") ? [blockSize] : []),
  ...(values.includes("share") ? [1, 0.9] : []),
];

/** Every combination without the later fields, then each with one of those that the family has, in turn. */
const affineSchemesOf = (family: AffineFamily, blockSize: number): AffineScheme[] => {
  const schemes = plainSchemesOf(family, blockSize).filter(
    (scheme) => !schemeFault(scheme, { kvHeads: 1, headSize: Infinity }),
  );
  const refine = refinementsOf(family);
  const refined = schemes.map((scheme, index) => ({ ...scheme, ...refine[index % refine.length]?.(scheme) }));
  return refine.length > 0 ? [...schemes, ...refined] : schemes;
};

const refinementsOf = ({
  axis,
  clip,
  parameters,
  signs,
}: AffineFamily): ((scheme: AffineScheme) => Partial<AffineScheme>)[] => [
  ...(clip ? [() => ({ clip: 0.9 })] : []),
  ...(clip && axis === "token" ? [() => ({ clip: 0.92, clipRule: "magnitude" as const })] : []),
  ...(parameters?.includes("two-level") ? [() => ({ parameters: "two-level" as const })] : []),
  ...(signs ? [({ transform }: AffineScheme) => (transform === "hadamard" ? { signs: 7 } : {})] : []),
];

const plainSchemesOf = (family: AffineFamily, blockSize: number): AffineScheme[] =>
  family.groupSizes.flatMap((groupSize) =>
    literalsOf(family.transforms).flatMap((transform) =>
      family.formats.flatMap((format) =>
        family.bits.map((bits) => ({
          kind: family.kind,
          bits,
          format,
          axis: family.axis,
          groupSize,
          blockSize: wholeGroups(family, groupSize, blockSize),
          transform: transform as string,
        })),
      ),
    ),
  );

const wholeGroups = ({ axis }: AffineFamily, groupSize: GroupSize, blockSize: number): number =>
  axis === "channel" && groupSize !== "head" ? groupSize * Math.max(1, Math.ceil(blockSize / groupSize)) : blockSize;

const distance = (a: TensorScheme, b: TensorScheme, headSize: number): number => {
  const bits = Math.abs(bitsOf(a) - bitsOf(b));
  if (a.kind === "affine" && b.kind === "affine") return affineDistance(a, b, headSize) + bits;
  const fields = Object.entries(a).filter(([name, value]) => (b as unknown as Record<string, unknown>)[name] !== value);
  return (a.kind === b.kind ? 100 * fields.length : 10_000) + bits;
};

const differentRefinements = (a: AffineScheme, b: AffineScheme): number =>
  (["signs", "parameters", "clip", "clipRule"] as const).filter((field) => a[field] !== b[field]).length;

const affineDistance = (a: AffineScheme, b: AffineScheme, headSize: number): number =>
  100 * differentRefinements(completeScheme(a) as AffineScheme, completeScheme(b) as AffineScheme) +
  1000 * Number(a.axis !== b.axis) +
  300 * Number(a.format !== b.format) +
  300 * Number(a.transform !== b.transform) +
  20 * Math.abs(Math.log2(numbers(a.groupSize, headSize) / numbers(b.groupSize, headSize)));

const numbers = (groupSize: GroupSize, headSize: number): number => (groupSize === "head" ? headSize : groupSize);
