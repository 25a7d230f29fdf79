import type { Residency } from "@kvtuner/plan";
import type { HeadTables } from "@kvtuner/sensitivity";
import type { Callbacks } from "../../progress.ts";
import type { PlaceGradients, TunableModel } from "../../tunable-model.ts";
import { type LayerRows, visitCacheRows } from "./cache-samples.ts";
import { type HeldOutLosses, heldOutLosses } from "./held-out-losses.ts";
import { heldOutLast } from "./held-out-samples.ts";
import { type LayerTables, layerTables, type TransformForm } from "./layer-tables.ts";
import { layersAt, type TransformLayers } from "./layers-at.ts";
import type { LossCurve } from "./loss-curve.ts";

/** Options of {@link calibrateTransform}. */
export interface TransformOptions {
  readonly form?: TransformForm;
  /** Tokens that the cache is for: true bits are counted there, and keys after RoPE calibrated up to there. */
  readonly context: number;
  /** 32-bit integer; the same seed gives the same tables. */
  readonly seed: number;
  readonly callbacks: Callbacks;
  /** Bits that a channel may have, ascending from 0; 0 to 8 by default. */
  readonly widths?: readonly number[];
  /** Tokens kept in 16 bits; 4 sinks and the newest 32 by default. */
  readonly residency?: Residency;
}

/** Random combinations of labels, in which all labels take part (`predictedLabels`): more samples serve better than more draws. */
const DRAWS = 1;

const WIDTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const RESIDENCY: Residency = { kind: "prefix", sinks: 4, recent: 32 };

/**
 * Computes static tables for transform coding from samples of text: one backward pass for any number of bits.
 *
 * @returns a function from true bits at the context length to the layers, of at most as many bits, and their tables; it throws a
 *   CalibrationError `CALIBRATION_TOO_FEW_BITS` below what tokens in 16 bits and gains take alone
 * @throws CalibrationError, CalibrationDataError
 */
export const calibrateTransform = async (
  model: TunableModel,
  samples: readonly Int32Array[],
  { form = "channels", context, seed, callbacks, widths = WIDTHS, residency = RESIDENCY }: TransformOptions,
): Promise<(bits: number) => TransformLayers> => {
  const ropes = (await model.ropes?.()) ?? [];
  const { shape } = model;
  const tables: LayerTables[] = [];
  const curves = new Map<HeadTables, LossCurve>();
  const fitted = (rows: LayerRows): LayerTables => layerTables(rows, { form, rope: ropes[rows.layer], context });
  const { ordered, fit } = heldOutLast(samples);
  let losses: HeldOutLosses | undefined;
  const each = async (place: PlaceGradients, seen: () => LayerRows): Promise<void> => {
    const { sample, layer } = place;
    if (sample === fit - 1)
      losses = heldOutLosses(fitted(seen()), { shape, form, rope: ropes[layer], widths, residency });
    if (sample >= Math.min(fit, samples.length - 1)) await losses!.add(place);
  };
  await visitCacheRows(model, ordered, { residency, draws: DRAWS, seed, callbacks, each }, (rows) => {
    const own = (tables[rows.layer] = fitted(rows));
    for (const [head, curve] of losses!.curves(own)) curves.set(head, curve);
  });
  return (bits) => layersAt(bits, { shape, tables, form, context, widths, residency, ropes, curves });
};
