import type { AffineScheme, Asset, SchemeAssets } from "@kvtuner/plan";
import { assertEncodable, QuantizerError } from "./encodable.ts";
import { hadamardInPlace } from "./hadamard.ts";

/** A rotation of head vectors `data[offset .. offset + headSize - 1]`, in place and in float32. */
export interface Rotation {
  apply(data: Float32Array, offset: number): void;
  undo(data: Float32Array, offset: number): void;
  /** `[headSize, headSize]` of a table. */
  readonly matrix?: Float32Array;
}

/** Assets by the field of the scheme that names them, and the KV head. */
export interface RotationContext {
  readonly assets: SchemeAssets;
  readonly head: number;
}

/** The rotation of one KV head, before its numbers are coded; `undefined` for the transform `none`. */
export const rotationOf = (
  scheme: Pick<AffineScheme, "transform" | "signs">,
  headSize: number,
  { assets, head }: RotationContext,
): Rotation | undefined => {
  if (scheme.transform === "none") return undefined;
  if (scheme.transform !== "hadamard")
    return tableRotation(ofHead(assets["transform"]!, head, headSize * headSize), headSize);
  const { signs = "none" } = scheme;
  if (signs === "none") return hadamard(headSize);
  return hadamard(
    headSize,
    typeof signs === "number" ? seededSigns(signs, headSize) : ofHead(assets["signs"]!, head, headSize),
  );
};

/** Numbers of one KV head of an asset `[kvHeads, ...]`. */
const ofHead = (asset: Asset, head: number, count: number): Float32Array => {
  if (asset.dtype !== "float32" || asset.data.length < (head + 1) * count || asset.data.length % count !== 0)
    throw new QuantizerError(
      "QUANTIZER_ASSET",
      `expected the asset ${asset.name} to have ${count} float32 numbers for each KV head, got ${asset.dtype} [${asset.shape.join(", ")}] for head ${head}; use the tables that were calibrated for this layer`,
    );
  return asset.data.subarray(head * count, (head + 1) * count);
};

const hadamard = (headSize: number, signs?: Float32Array): Rotation => {
  const flip = (data: Float32Array, offset: number): void => {
    if (signs) for (const [channel, sign] of signs.entries()) data[offset + channel]! *= sign;
  };
  return {
    apply: (data, offset) => {
      flip(data, offset);
      hadamardInPlace(data, offset, headSize);
    },
    undo: (data, offset) => {
      hadamardInPlace(data, offset, headSize);
      flip(data, offset);
    },
  };
};

/**
 * Signs of the channels from a seed: minus where the top bit of the next state of a 32-bit generator
 * (`state = state * 1664525 + 1013904223`, from the seed on; Numerical Recipes) is set.
 */
export const seededSigns = (seed: number, headSize: number): Float32Array => {
  let state = seed >>> 0;
  return Float32Array.from({ length: headSize }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 31 === 1 ? -1 : 1;
  });
};

/** `y_j = sum_i x_i R[i, j]` and back `x_i = sum_j y_j R[i, j]`, added one by one in float32 in the order of the sum's index. */
const tableRotation = (matrix: Float32Array, headSize: number): Rotation => {
  const sums = new Float32Array(headSize);
  return {
    matrix,
    apply: (data, offset) => {
      sums.fill(0);
      for (let i = 0; i < headSize; i++) {
        const x = data[offset + i]!;
        for (let j = 0; j < headSize; j++) sums[j] = sums[j]! + Math.fround(x * matrix[i * headSize + j]!);
      }
      data.set(sums, offset);
    },
    undo: (data, offset) => {
      for (let i = 0; i < headSize; i++) {
        let sum = 0;
        for (let j = 0; j < headSize; j++)
          sum = Math.fround(sum + Math.fround(data[offset + j]! * matrix[i * headSize + j]!));
        sums[i] = sum;
      }
      data.set(sums, offset);
    },
  };
};

/** The rotated rows of `x`, if float16 holds them, in a new array. Throws as `encodeBlock`. */
export const rotatedRows = (x: Float32Array, headSize: number, rotation: Rotation | undefined): Float32Array => {
  if (!rotation) return x;
  const rotated = x.slice();
  for (let offset = 0; offset < x.length; offset += headSize) rotation.apply(rotated, offset);
  assertEncodable(rotated, "after the rotation of the block");
  return rotated;
};

/** Undoes the rotation of rows, in place. */
export const undoRotation = (x: Float32Array, headSize: number, rotation: Rotation | undefined): void => {
  if (rotation) for (let offset = 0; offset < x.length; offset += headSize) rotation.undo(x, offset);
};
