import { type AffineScheme, type Asset, assetsOf, type TensorScheme } from "@kvtuner/plan";
import { seededSigns } from "@kvtuner/quantizers";
import type { Arena } from "./arena.ts";
import { writeRotation } from "./layer-record.ts";

/** Heads of a tensor. */
interface Heads {
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Copies what a tensor is rotated by, beyond the Hadamard transform, into its memory, and tells its record. */
export const writeRotationTables = (
  arena: Arena,
  address: number,
  scheme: TensorScheme,
  assets: readonly Asset[] | undefined,
  heads: Heads,
): void => {
  if (scheme.kind !== "affine") return;
  const { transform } = assetsOf(scheme, assets);
  const copy = (numbers: Float32Array | undefined): number => {
    if (!numbers) return 0;
    const at = arena.allocate(numbers.byteLength);
    arena.floats.set(numbers, at / 4);
    return at;
  };
  const signs = copy(signsOf(scheme, assets, heads));
  const table = copy(transform?.data as Float32Array | undefined);
  writeRotation(arena.words, address, signs, table);
};

/** float32 `[kvHeads, headSize]`. */
const signsOf = (
  scheme: AffineScheme,
  assets: readonly Asset[] | undefined,
  { kvHeads, headSize }: Heads,
): Float32Array | undefined => {
  if (scheme.signs === undefined || scheme.signs === "none") return undefined;
  if (typeof scheme.signs === "string") return assetsOf(scheme, assets)["signs"]!.data as Float32Array;
  const ofHead = seededSigns(scheme.signs, headSize);
  return Float32Array.from({ length: kvHeads * headSize }, (_, index) => ofHead[index % headSize]!);
};
