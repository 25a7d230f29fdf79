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
}

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

/** Bits of each channel by KV head. */
const chooseWidths = (bits: number, own: TransformTables): ReadonlyMap<HeadTables, Uint8Array> => {
  const { shape, context, widths, tables } = own;
  const none = codedLayers(own, ({ fits }) => new Uint8Array(fits.length));
  const fixedBits = trueBits({ layers: none.layers, shape }, context);
  if (bits < fixedBits) throw tooFewBits(bits, fixedBits, own);
  const budget = Math.floor((bits - fixedBits) * storedNumbers(shape, context) + 1e-6);
  const groups = tables.flatMap(({ layer, key, value }) => {
    const scheme = none.layers[layer]!;
    const tokens = heldTokens(scheme.key, scheme, layerSpan(layerShape(shape, layer)), context).coded;
    return [...key, ...value].map((head) => ({ head, heads: [distortions(head, widths)], tokens }));
  });
  return new Map(allocateWidths(groups, { widths, bits: budget }).map(([chosen], at) => [groups[at]!.head, chosen!]));
};

/**
 * By width, what a distortion counts for in plans. Errors of different tokens are taken for independent, but what few bits leave out is
 * alike in neighbours, so that it adds up in the output.
 */
const COHERENCE = [2, 1.38, 1.11];

/**
 * What distortions of mixed channels count for beside those of channels by themselves. A matrix fits its samples more closely than other text,
 * so that tables of values state too little. Chosen on SmolLM2 alone (docs/benchmarks/methods.md).
 */
const OTHER_TEXT = 4;

const distortions = ({ fits, transform }: HeadTables, widths: readonly number[]): number[][] => {
  const factor = transform.matrices ? OTHER_TEXT : 1;
  return fits.map((byWidth) => widths.map((width) => factor * (COHERENCE[width] ?? 1) * byWidth[width]!.distortion));
};

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
