import { type Asset, layerShape, type LayerScheme } from "@kvtuner/plan";
import type { Callbacks } from "../../progress.ts";
import type { TunableModel } from "../../tunable-model.ts";
import { visitCacheRows } from "../transform/cache-samples.ts";
import { CODEBOOK_RESIDENCY, codebookLayer, type CodebookSetting } from "./codebook-layer.ts";
import { type LayerStatistics, layerStatistics, OUTLIER_SHARES, type OutlierShare } from "./layer-statistics.ts";

/** Options of {@link calibrateCodebook}. */
export interface CodebookOptions {
  /** 32-bit integer; the same seed gives the same tables. */
  readonly seed: number;
  readonly callbacks: Callbacks;
}

/** The layers of a setting, with their tables. */
export interface CodebookLayers {
  readonly layers: readonly LayerScheme[];
  readonly assets: readonly Asset[];
}

/** Gradients of labels for each token. */
const DRAWS = 2;

/**
 * Computes the tables of KVQuant (Hooper et al., NeurIPS 2024, arXiv 2401.18079) from samples of text: ranges of key channels
 * from percentiles, and levels of each layer's keys and values by k-means weighted with squared gradients. One backward
 * pass serves all settings.
 *
 * @throws CalibrationError, CalibrationDataError
 */
export const calibrateCodebook = async (
  model: TunableModel,
  samples: readonly Int32Array[],
  { seed, callbacks }: CodebookOptions,
): Promise<(setting: CodebookSetting) => CodebookLayers> => {
  const ropes = (await model.ropes?.()) ?? [];
  const statistics: ReadonlyMap<OutlierShare, LayerStatistics>[] = [];
  const { shape } = model;
  await visitCacheRows(model, samples, { residency: CODEBOOK_RESIDENCY, draws: DRAWS, seed, callbacks }, (rows) => {
    statistics[rows.layer] = layerStatistics(rows, ropes[rows.layer], OUTLIER_SHARES);
  });
  return (setting) => {
    const coded = statistics.map((own, layer) =>
      codebookLayer(own.get(setting.outliers)!, setting, layerShape(shape, layer), ropes[layer]),
    );
    return { layers: coded.map(({ scheme }) => scheme), assets: coded.flatMap(({ assets }) => assets) };
  };
};
