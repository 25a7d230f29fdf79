import {
  type Asset,
  type CacheShape,
  heldTokens,
  layerShape,
  layerSpan,
  type LayerScheme,
  type Residency,
  storedNumbers,
  trueBits,
} from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import { allocateWidths, type HeadTables } from "@kvtuner/sensitivity";
import { CalibrationError } from "./cache-samples.ts";
import type { LayerTables, TransformForm } from "./layer-tables.ts";
import type { LossCurve } from "./loss-curve.ts";
import { statedLoss, widthLosses } from "./stated-loss.ts";
import { codedLayer } from "./transform-layers.ts";

/** Layers at a mean number of bits, everything but the assets counted at the context length. */
export interface TransformLayers {
  readonly layers: readonly LayerScheme[];
  readonly assets: readonly Asset[];
}

/** What the layers at any number of bits follow from. */
export interface TransformTables {
  readonly form: TransformForm;
  /** Tokens at which true bits are counted. */
  readonly context: number;
  /** Bits that a channel may have, ascending from 0. */
  readonly widths: readonly number[];
  readonly residency: Residency;
  readonly shape: CacheShape;
  /** By layer. */
  readonly tables: readonly LayerTables[];
  readonly ropes: readonly (Rope | undefined)[];
  /** How the loss of a KV head follows from the one that its tables state; as stated without one. */
  readonly curves: ReadonlyMap<HeadTables, LossCurve>;
}

/** Allocations, each at the prices that the one before gives; they settle in few. */
const ROUNDS = 5;

/**
 * The layers at a number of true bits. Shares the bits out among all channels of all layers, keys and values together, so that the
 * estimated loss is least.
 *
 * @throws CalibrationError `CALIBRATION_TOO_FEW_BITS` below what tokens in 16 bits and gains take alone
 */
export const layersAt = (bits: number, tables: TransformTables): TransformLayers => {
  const widths = chooseWidths(bits, tables);
  return codedLayers(tables, (head) => widths.get(head)!);
};

/**
 * Bits of each channel by KV head. What a distortion costs depends on how much is lost, and so on the bits: starts with as much as is
 * stated, and repeats.
 */
const chooseWidths = (bits: number, own: TransformTables): ReadonlyMap<HeadTables, Uint8Array> => {
  const { shape, context, widths, tables, curves } = own;
  const none = codedLayers(own, ({ fits }) => new Uint8Array(fits.length));
  const fixedBits = trueBits({ layers: none.layers, shape }, context);
  if (bits < fixedBits) throw tooFewBits(bits, fixedBits, own);
  const budget = Math.floor((bits - fixedBits) * storedNumbers(shape, context) + 1e-6);
  const groups = tables.flatMap(({ layer, key, value }) => {
    const scheme = none.layers[layer]!;
    const tokens = heldTokens(scheme.key, scheme, layerSpan(layerShape(shape, layer)), context).coded;
    return [...key, ...value].map((head) => ({ head, losses: widthLosses(head, widths), tokens }));
  });
  let prices = groups.map(() => 1);
  let chosen: Uint8Array[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const priced = groups.map(({ losses, tokens }, at) => ({ heads: [losses.map(times(prices[at]!))], tokens }));
    chosen = allocateWidths(priced, { widths, bits: budget }).map(([only]) => only!);
    prices = groups.map(({ head }, at) => curves.get(head)?.slope(statedLoss(head, chosen[at]!)) ?? 1);
  }
  return new Map(groups.map(({ head }, at) => [head, chosen[at]!]));
};

const times =
  (factor: number) =>
  (losses: readonly number[]): number[] =>
    losses.map((loss) => factor * loss);

const codedLayers = (
  { tables, ropes, form, residency }: TransformTables,
  widthsOf: (head: HeadTables) => Uint8Array,
): TransformLayers => {
  const layers = tables.map((own) => {
    const widths = { key: own.key.map(widthsOf), value: own.value.map(widthsOf) };
    return codedLayer(`layers.${own.layer}`, own, widths, { form, rope: ropes[own.layer], residency });
  });
  return { layers: layers.map(({ scheme }) => scheme), assets: layers.flatMap(({ assets }) => assets) };
};

const tooFewBits = (bits: number, least: number, { context, residency }: TransformTables): CalibrationError =>
  new CalibrationError(
    "CALIBRATION_TOO_FEW_BITS",
    `expected at least ${least.toFixed(3)} bits, which ${residency.sinks + residency.recent} tokens in 16 bits and gains take alone at ` +
      `${context} tokens, got ${bits}; use more bits or a longer context`,
  );
