import type { Asset, LayerScheme, LayerShape, Residency, SchemeOf } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import { weightedLevels } from "@kvtuner/sensitivity";
import { frequencyAssets } from "../frequency-assets.ts";
import { blockSizeOf, type LayerStatistics, type OutlierShare } from "./layer-statistics.ts";

type CodebookScheme = SchemeOf<"codebook">;

/** One width of the levels of keys and values, and a share of outliers. */
export interface CodebookSetting {
  readonly bits: CodebookScheme["bits"];
  readonly outliers: OutlierShare;
}

/** The first token is exact, as in KVQuant. */
export const CODEBOOK_RESIDENCY: Residency = { kind: "prefix", sinks: 1, recent: 0 };

/** The scheme of one layer and its assets, which are named after it. */
export interface CodedLayer {
  readonly scheme: LayerScheme;
  readonly assets: readonly Asset[];
}

/** The scheme of a layer at a setting. */
export const codebookLayer = (
  { layer, key, value, keyScales }: LayerStatistics,
  { bits, outliers }: CodebookSetting,
  { kvHeads, headSize }: LayerShape,
  rope: Rope | undefined,
): CodedLayer => {
  const float = (name: string, sizes: readonly number[], data: Float32Array): Asset => ({
    name: `layers.${layer}.${name}`,
    dtype: "float32",
    shape: sizes,
    data,
  });
  const assets = [
    float("key.levels", [2 ** bits], weightedLevels(key, 2 ** bits)),
    float("key.scales", [kvHeads, 2, headSize], keyScales),
    float("value.levels", [2 ** bits], weightedLevels(value, 2 ** bits)),
    ...frequencyAssets(`layers.${layer}.key`, rope),
  ];
  const values: CodebookScheme = {
    kind: "codebook",
    bits,
    levels: `layers.${layer}.value.levels`,
    scales: "dynamic",
    outliers,
    stage: "as-given",
    frequencies: "none",
    pairing: "none",
    blockSize: blockSizeOf(outliers),
  };
  const keys: CodebookScheme = {
    ...values,
    levels: `layers.${layer}.key.levels`,
    scales: `layers.${layer}.key.scales`,
    ...(rope && {
      stage: "before-rope",
      frequencies: `layers.${layer}.key.frequencies`,
      pairing: rope.pairing,
    }),
  };
  return { scheme: { key: keys, value: values, residency: CODEBOOK_RESIDENCY }, assets };
};
