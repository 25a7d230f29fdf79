import type { Asset, LayerScheme, Residency } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import { symmetricEigen } from "@kvtuner/sensitivity";
import type { Callbacks } from "../../progress.ts";
import type { TunableModel } from "../../tunable-model.ts";
import { beforeRope } from "../before-rope.ts";
import { type HeadRows, visitCacheRows } from "../transform/cache-samples.ts";
import { type LatentBits, lowRankTensor } from "./low-rank-tensor.ts";
import { sharedRanks } from "./shared-ranks.ts";

/** Options of {@link calibrateLowRank}. */
export interface LowRankOptions {
  /** 32-bit integer; the same seed gives the same tables. */
  readonly seed: number;
  readonly callbacks: Callbacks;
}

/** What low-rank layers differ in. */
export interface LowRankSetting {
  /** Kept share of the channels of all keys and values. */
  readonly share: number;
  /** Bits of each kept number. */
  readonly bits: LatentBits;
}

/** The layers of a setting, with their tables. */
export interface LowRankLayers {
  readonly layers: readonly LayerScheme[];
  readonly assets: readonly Asset[];
}

/** Keys, before RoPE, or values of one layer. */
interface TensorStatistics {
  readonly size: number;
  readonly rope?: Rope | undefined;
  /** Of each KV head, a basis `[size, size]`: its columns, of which the first keep the most. */
  readonly bases: readonly Float64Array[];
  /** Mean squared gradient of a number. */
  readonly information: number;
}

const DRAWS = 2;
const RESIDENCY: Residency = { kind: "prefix", sinks: 0, recent: 0 };

/**
 * Computes low-rank bases of keys before RoPE and of values from samples of text, KV head by KV head, after Palu (Chang et al., ICLR 2025,
 * arXiv 2407.21118). One backward pass serves all settings. Palu decomposes the projection weights, scaled by their inputs; the
 * vectors that they yield span the same spaces.
 *
 * @throws CalibrationError, CalibrationDataError
 */
export const calibrateLowRank = async (
  model: TunableModel,
  samples: readonly Int32Array[],
  { seed, callbacks }: LowRankOptions,
): Promise<(setting: LowRankSetting) => LowRankLayers> => {
  const ropes = (await model.ropes?.()) ?? [];
  const layers: { readonly key: TensorStatistics; readonly value: TensorStatistics }[] = [];
  await visitCacheRows(model, samples, { residency: RESIDENCY, draws: DRAWS, seed, callbacks }, (rows) => {
    const rope = ropes[rows.layer];
    layers[rows.layer] = {
      key: { ...statisticsOf(rope ? rows.key.map((head) => beforeRope(head, rope)) : rows.key), rope },
      value: statisticsOf(rows.value),
    };
  });
  return (setting) => lowRankLayers(layers, setting);
};

const lowRankLayers = (
  layers: readonly { readonly key: TensorStatistics; readonly value: TensorStatistics }[],
  { share, bits }: LowRankSetting,
): LowRankLayers => {
  const ranks = sharedRanks(
    layers.flatMap(({ key, value }) => [key, value]),
    share,
  );
  const coded = layers.map(({ key, value }, layer) => {
    const keys = lowRankTensor(`layers.${layer}.key`, key, ranks[2 * layer]!, bits);
    const values = lowRankTensor(`layers.${layer}.value`, value, ranks[2 * layer + 1]!, bits);
    return {
      layer: { key: keys.scheme, value: values.scheme, residency: RESIDENCY },
      assets: [...keys.assets, ...values.assets],
    };
  });
  return { layers: coded.map(({ layer }) => layer), assets: coded.flatMap(({ assets }) => assets) };
};

const statisticsOf = (heads: readonly HeadRows[]): TensorStatistics => {
  const squares = heads.flatMap(({ gradients }) => gradients.map(meanSquare));
  return {
    size: heads[0]!.size,
    bases: heads.map(({ rows, size }) => symmetricEigen(secondMoments(rows, size), size).vectors),
    information: squares.reduce((sum, square) => sum + square / squares.length, 0),
  };
};

const meanSquare = (numbers: Float32Array): number =>
  numbers.reduce((sum, x) => sum + x * x, 0) / Math.max(1, numbers.length);

/** Sum of `x x'` over rows, `[size, size]`: a projection of weights has no mean to subtract. */
const secondMoments = (rows: Float32Array, size: number): Float64Array => {
  const moments = new Float64Array(size * size);
  for (let start = 0; start < rows.length; start += size)
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) moments[i * size + j]! += rows[start + i]! * rows[start + j]!;
  return moments;
};
