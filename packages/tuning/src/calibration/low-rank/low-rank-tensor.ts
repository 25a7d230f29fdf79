import { type Asset, PLAIN_TRANSFORM, type SchemeOf } from "@kvtuner/plan";
import { hadamardInPlace, type Rope } from "@kvtuner/quantizers";
import { frequencyAssets } from "../frequency-assets.ts";

/** Bits of a number of the low-rank vector; 16 is float16. */
export type LatentBits = 2 | 3 | 4 | 16;

/** The scheme of keys or values, and its assets. */
export interface LowRankTensor {
  readonly scheme: SchemeOf<"transform">;
  readonly assets: readonly Asset[];
}

/**
 * A scheme that keeps the first `rank` coordinates in the bases of the KV heads, whose columns are orthonormal. Numbers of few bits are those
 * after a Hadamard transform, with the vector's norm in 16 bits and Gaussian levels.
 */
export const lowRankTensor = (
  name: string,
  {
    size,
    bases,
    rope,
  }: { readonly size: number; readonly bases: readonly Float64Array[]; readonly rope?: Rope | undefined },
  rank: number,
  bits: LatentBits,
): LowRankTensor => {
  const isMixed = bits !== 16;
  const rotation = Float32Array.from(
    bases.flatMap((basis) => [0, 1].flatMap(() => [...firstColumns(basis, size, rank, isMixed)])),
  );
  const assets: Asset[] = [
    { name: `${name}.rotation`, dtype: "float32", shape: [bases.length, 2, size, rank], data: rotation },
    {
      name: `${name}.widths`,
      dtype: "uint8",
      shape: [bases.length, rank],
      data: new Uint8Array(bases.length * rank).fill(bits),
    },
    ...frequencyAssets(name, rope),
  ];
  return {
    scheme: {
      ...PLAIN_TRANSFORM,
      ...(rope && { stage: "before-rope", frequencies: `${name}.frequencies`, pairing: rope.pairing }),
      rotation: `${name}.rotation`,
      bits: [(rank * bits) / size],
      widths: `${name}.widths`,
      gain: isMixed ? "norm16" : "none",
    },
    assets,
  };
};

const firstColumns = (basis: Float64Array, size: number, rank: number, isMixed: boolean): Float32Array => {
  const columns = new Float32Array(size * rank);
  for (let row = 0; row < size; row++) {
    columns.set(basis.subarray(row * size, row * size + rank), row * rank);
    if (isMixed) hadamardInPlace(columns.subarray(row * rank, (row + 1) * rank), 0, rank);
  }
  return columns;
};
