import { type CacheShape, layerShape, type LayerScheme, type Residency } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import { allocateWidths, type HeadTables } from "@kvtuner/sensitivity";
import { EXACT } from "../../space/halves.ts";
import type { PlaceGradients } from "../../tunable-model.ts";
import type { LayerTables, TransformForm } from "./layer-tables.ts";
import { lossCurve, type LossCurve } from "./loss-curve.ts";
import { statedLoss, widthLosses } from "./stated-loss.ts";
import { type CodedLayer, codedLayer } from "./transform-layers.ts";

/** Bits a channel at which losses are measured: about the range that allocations give to a KV head. */
const LEVELS = [1, 2, 3.5];
const TENSORS = ["key", "value"] as const;

/** Measures what a layer's tables lose on samples that they were not fitted to. */
export interface HeldOutLosses {
  /** Adds a sample. */
  add(place: PlaceGradients): Promise<void>;
  /** By KV head of the tables that plans will use, which may be fitted to more samples. */
  curves(tables: LayerTables): [HeadTables, LossCurve][];
}

/** What the measured schemes depend on beside the tables. */
export interface HeldOutOptions {
  readonly shape: CacheShape;
  readonly form: TransformForm;
  readonly rope: Rope | undefined;
  readonly widths: readonly number[];
  readonly residency: Residency;
}

/**
 * Codes keys and values apart at a few numbers of bits, and reads them through the layer's attention. With `G` the gradient of the
 * labels' log-likelihood by the output of the query heads that read a KV head, and `d` the error there:
 *
 *     loss = sum over tokens of <G, d>² / coded tokens
 *
 * This is the unit of the tables: twice the KL of one token. They take errors for small, alike in all tokens and independent between them,
 * and know only the samples that they were fitted to; this does not.
 */
export const heldOutLosses = (fitted: LayerTables, options: HeldOutOptions): HeldOutLosses => {
  const levels = LEVELS.map((bits) => codedAt(bits, fitted, options));
  const sums = levels.map(() => ({ key: fitted.key.map(() => 0), value: fitted.value.map(() => 0) }));
  const { sinks, recent } = options.residency;
  const { kvHeads } = layerShape(options.shape, fitted.layer);
  let coded = 0;
  return {
    add: async ({ attend, gradients, trace }) => {
      const exact = await attend(EXACT);
      const { headSize } = layerShape(options.shape, fitted.layer);
      coded += Math.max(0, trace.key.length / (kvHeads * headSize) - sinks - recent);
      for (const [level, { scheme, assets }] of levels.entries())
        for (const tensor of TENSORS) {
          const output = await attend(onlyCoded(scheme, tensor), assets);
          const squares = headSquares({ exact, output, gradients }, trace.key.length / headSize / kvHeads, kvHeads);
          for (const [head, square] of squares.entries()) sums[level]![tensor][head]! += square;
        }
    },
    curves: (tables) =>
      TENSORS.flatMap((tensor) =>
        tables[tensor].flatMap((own, head): [HeadTables, LossCurve][] => {
          const curve = lossCurve(
            levels.map(({ widths }, level) => ({
              stated: statedLoss(own, widths[tensor][head]!),
              measured: sums[level]![tensor][head]! / coded,
            })),
          );
          return curve ? [[own, curve]] : [];
        }),
      ),
  };
};

interface Level extends CodedLayer {
  readonly widths: Readonly<Record<(typeof TENSORS)[number], readonly Uint8Array[]>>;
}

const codedAt = (bits: number, fitted: LayerTables, { widths, ...options }: HeldOutOptions): Level => {
  const chosen = (head: HeadTables): Uint8Array => {
    const heads = [widthLosses(head, widths)];
    return allocateWidths([{ heads, tokens: 1 }], { widths, bits: Math.round(bits * head.fits.length) })[0]![0]!;
  };
  const own = { key: fitted.key.map(chosen), value: fitted.value.map(chosen) };
  return { ...codedLayer("held-out", fitted, own, options), widths: own };
};

const onlyCoded = (scheme: LayerScheme, tensor: (typeof TENSORS)[number]): LayerScheme => ({
  ...scheme,
  ...(tensor === "key" ? { value: EXACT.value } : { key: EXACT.key }),
});

interface Outputs {
  /** `[tokens, queryHeads * valueSize]`, row-major, as all others. */
  readonly exact: Float32Array;
  readonly output: Float32Array;
  readonly gradients: readonly Float32Array[];
}

/** By KV head, the sum over tokens of the squared change of the log-likelihood; the mean over draws of labels. */
const headSquares = ({ exact, output, gradients }: Outputs, tokens: number, kvHeads: number): Float64Array => {
  const squares = new Float64Array(kvHeads);
  // Query heads of one KV head are neighbours.
  const size = exact.length / (tokens * kvHeads);
  for (const gradient of gradients)
    for (let start = 0; start < exact.length; start += size) {
      let product = 0;
      for (let index = start; index < start + size; index++)
        product += gradient[index]! * (output[index]! - exact[index]!);
      squares[(start / size) % kvHeads]! += product ** 2 / gradients.length;
    }
  return squares;
};
