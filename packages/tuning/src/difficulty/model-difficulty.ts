import {
  attentionOf,
  type Bits,
  cachePlaces,
  type CacheShape,
  layerScheme,
  layerShape,
  layerShapes,
  type Mode,
  modesFor,
  type TensorScheme,
} from "@kvtuner/plan";
import { fakeQuantize, MAX_FLOAT16, QuantizerError } from "@kvtuner/quantizers";
import {
  drawKeys,
  type KeyCoder,
  type LayerDistribution,
  outlierChannels,
  predictScoreErrors,
} from "@kvtuner/sensitivity";

/** How hard the keys of a model are to quantize, predicted from its weights. */
export interface ModelDifficulty {
  readonly layers: readonly LayerDifficulty[];
  /** The key layouts of all modes, and those per token after a Hadamard rotation. */
  readonly codings: readonly CodingDifficulty[];
}

/** One layer with a cache of its own. */
export interface LayerDifficulty {
  /** Its place among all layers of the model. */
  readonly layer: number;
  /** Norm of the key bias; 0 without one. */
  readonly biasNorm: number;
  /** Key channels that outgrow their head at 4 bits; see `outlierChannels`. */
  readonly outliers: number;
  readonly hasRope: boolean;
  /** Predicted error of the scores in nats, by coding and bits like `kivi:K4`. */
  readonly scoreErrors: Readonly<Record<string, number>>;
}

/** One key layout at a number of bits. */
export interface CodingDifficulty {
  /** Like `kivi:K4`, or `per-token:K4, rotated`. */
  readonly name: string;
  readonly mode: string;
  readonly bits: Bits;
  readonly isRotated: boolean;
  /** Largest error of the scores over the layers, in nats. */
  readonly worstError: number;
  /** Layers with an error of {@link NOISE_NATS} or more. */
  readonly difficultLayers: readonly number[];
}

/** An error of a score that multiplies its attention weight by e: weights are then mostly noise. */
export const NOISE_NATS = 1;

/** The two numbers of bits that most caches use. */
const KEY_BITS = [4, 8] as const;

const OUTLIER_BITS = 4;

type Coding = Pick<CodingDifficulty, "name" | "mode" | "bits" | "isRotated"> & { readonly scheme: TensorScheme };

/**
 * Predicts the error that each key layout causes in each layer, without running the model.
 *
 * @param distributions one per layer of `shape`
 */
export const modelDifficulty = (shape: CacheShape, distributions: readonly LayerDistribution[]): ModelDifficulty => {
  const compared = codingsFor(Math.min(...layerShapes(shape).map(({ headSize }) => headSize)));
  const layers = distributions.map((distribution, layer) => layerDifficulty(shape, layer, distribution, compared));
  const codings = compared.map(({ scheme: _, ...coding }) => {
    const errors = layers.map(({ scoreErrors }) => scoreErrors[coding.name]!);
    return {
      ...coding,
      worstError: Math.max(0, ...errors),
      difficultLayers: layers.flatMap(({ layer }, index) => (errors[index]! >= NOISE_NATS ? [layer] : [])),
    };
  });
  return { layers, codings };
};

const codingsFor = (headSize: number): Coding[] =>
  KEY_BITS.flatMap((bits) => modesFor(headSize).flatMap((mode) => plainAndRotated(mode, bits)));

/** The layout of a mode's keys; if it is per token and without a rotation, also with one. */
const plainAndRotated = (mode: Mode, bits: Bits): Coding[] => {
  const { key } = layerScheme(mode, { key: bits, value: 16 });
  const plain: Coding = { name: `${mode}:K${bits}`, mode, bits, isRotated: false, scheme: key };
  if (key.kind !== "affine" || key.axis !== "token" || key.transform !== "none") return [plain];
  const rotated: TensorScheme = { ...key, transform: "hadamard" };
  return [plain, { ...plain, name: `${plain.name}, rotated`, isRotated: true, scheme: rotated }];
};

const layerDifficulty = (
  shape: CacheShape,
  layer: number,
  distribution: LayerDistribution,
  codings: readonly Coding[],
): LayerDifficulty => {
  const sizes = layerShape(shape, layer);
  const input = { distribution, shape: sizes, attention: attentionOf(shape, layer) };
  const errors = predictScoreErrors(
    input,
    codings.map((coding) => keyCoder(coding, sizes)),
  );
  return {
    layer: cachePlaces(shape)[layer]!,
    biasNorm: Math.hypot(...distribution.key.mean),
    outliers: outlierChannels(drawKeys(input), sizes, OUTLIER_BITS).length,
    hasRope: distribution.ropeFrequencies !== undefined,
    scoreErrors: Object.fromEntries(errors),
  };
};

const keyCoder = (
  { name, scheme }: Coding,
  { kvHeads, headSize }: { readonly kvHeads: number; readonly headSize: number },
): KeyCoder => ({
  id: name,
  roundTrip: (keys, tokens) => {
    if (!keys.every((x) => Math.abs(x) <= MAX_FLOAT16)) return undefined;
    const decoded = new Float32Array(keys.length);
    try {
      fakeQuantize(keys, decoded, { tokens, heads: kvHeads, headSize }, scheme);
      return decoded;
    } catch (error) {
      if (error instanceof QuantizerError) return undefined;
      throw error;
    }
  },
});
