import type { Asset, SchemeOf } from "@kvtuner/plan";
import { normalizedBlocks, type Rope } from "@kvtuner/quantizers";
import { addWeighted, channelRanges, type LevelHistogram, levelHistogram } from "@kvtuner/sensitivity";
import { beforeRope } from "../before-rope.ts";
import type { HeadRows, LayerRows } from "../transform/cache-samples.ts";

/** Share of numbers that are kept in 16 bits. */
export type OutlierShare = SchemeOf<"codebook">["outliers"];

/** Those that KVQuant publishes. */
export const OUTLIER_SHARES: readonly OutlierShare[] = [0, 0.001, 0.01];

/** What the tables of one layer follow from, at one share of outliers and any number of bits. */
export interface LayerStatistics {
  readonly layer: number;
  /** Of the keys, scales and offsets of each channel: float32 `[kvHeads, 2, headSize]`. */
  readonly keyScales: Float32Array;
  /** Numbers in units of the levels, without outliers, weighted by what an error in them costs. */
  readonly key: LevelHistogram;
  readonly value: LevelHistogram;
}

/** Collects the statistics of a layer, of its keys before RoPE if they have one. */
export const layerStatistics = (
  { layer, key, value }: LayerRows,
  rope: Rope | undefined,
  shares: readonly OutlierShare[],
): ReadonlyMap<OutlierShare, LayerStatistics> => {
  const keys = rope ? key.map((head) => beforeRope(head, rope)) : key;
  return new Map(
    shares.map((share) => {
      const tables = keys.map(({ rows, size }) => {
        const { scales, offsets } = channelRanges(rows, size, share);
        return Float32Array.of(...scales, ...offsets);
      });
      return [
        share,
        {
          layer,
          keyScales: Float32Array.from(tables.flatMap((table) => [...table])),
          key: histogramOf(keys, share, (head) => tables[head]!),
          value: histogramOf(value, share, () => undefined),
        },
      ];
    }),
  );
};

/** Tokens that share outliers; 1 without any. */
export const blockSizeOf = (share: OutlierShare): number => (share > 0 ? 32 : 1);

/**
 * An error of a number in units of the levels costs the square of its scale times its Fisher information, the square of
 * its gradient.
 */
const histogramOf = (
  heads: readonly HeadRows[],
  outliers: OutlierShare,
  scalesOf: (head: number) => Float32Array | undefined,
): LevelHistogram => {
  const histogram = levelHistogram();
  for (const [head, { rows, gradients, size }] of heads.entries()) {
    const table = scalesOf(head);
    const scheme = { ...SCHEME, outliers, scales: table ? "scales" : "dynamic", blockSize: blockSizeOf(outliers) };
    const context = { assets: table ? { scales: assetOf(table, size) } : {}, head: 0, position: 0 };
    let start = 0;
    for (const { normalized, places, scales, at } of normalizedBlocks(rows, size, scheme, context)) {
      const exact = new Set(places);
      for (const [place, number] of normalized.entries()) {
        if (exact.has(place)) continue;
        let fisher = 0;
        for (const draw of gradients) fisher += draw[start + place]! ** 2;
        addWeighted(histogram, number, fisher * scales[at(place)]! ** 2);
      }
      start += normalized.length;
    }
  }
  return histogram;
};

const SCHEME: Omit<SchemeOf<"codebook">, "outliers" | "scales" | "blockSize"> = {
  kind: "codebook",
  bits: 2,
  levels: "levels",
  stage: "as-given",
  frequencies: "none",
  pairing: "none",
};

const assetOf = (data: Float32Array, size: number): Asset => ({
  name: "scales",
  dtype: "float32",
  shape: [1, 2, size],
  data,
});
