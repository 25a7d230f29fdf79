import type { DecoderConfig, LayerSizes } from "./config.ts";
import { deferMatrix } from "./deferred-matrix.ts";
import { readLinear, readVector } from "./read-weights.ts";
import type { DeferredLinear, Linear, WeightSource } from "./weights.ts";

/** End of a tensor's name, after a dot; `weight` by default, empty for none. */
type TensorEnding = "weight" | "bias" | "scale" | "";

/** Reads tensors of one layer by the part of their name between `blk.LAYER.` and `.weight`. */
export interface LayerReader {
  readonly config: DecoderConfig;
  readonly layer: number;
  readonly sizes: LayerSizes;
  /** Whether the layer has keys and values of its own. */
  readonly hasCache: boolean;
  /** Whether the layer keeps a state in place of keys and values. */
  readonly isRecurrent: boolean;
  /** Whether the layer has a tensor. */
  has(part: string, ending?: TensorEnding): boolean;
  /**
   * A vector in float32.
   *
   * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
   */
  vector(part: string, length: number, ending?: TensorEnding): Promise<Float32Array>;
  /**
   * A matrix with its bias, which must be there if `needsBias` and is added if it is.
   *
   * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
   */
  linear(part: string, rows: number, columns: number, needsBias?: boolean): Promise<Linear>;
  /**
   * A matrix with its bias, if it has one. The matrix is read when it is used.
   *
   * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
   */
  deferred(part: string, rows: number, columns: number): Promise<DeferredLinear>;
}

const nameOf = (layer: number, part: string, ending: TensorEnding = "weight"): string =>
  `blk.${layer}.${part}${ending === "" ? "" : `.${ending}`}`;

/** Reader of a layer's tensors. */
export const layerReader = (source: WeightSource, config: DecoderConfig, layer: number): LayerReader => ({
  config,
  layer,
  sizes: config.layerSizes[layer]!,
  hasCache: config.cacheOf[layer] === layer && config.recurrentLayers?.at[layer] !== true,
  isRecurrent: config.recurrentLayers?.at[layer] === true,
  has: (part, ending) => source.tensors.has(nameOf(layer, part, ending)),
  vector: async (part, length, ending) => readVector(source, nameOf(layer, part, ending), length),
  linear: async (part, rows, columns, needsBias) =>
    readLinear(source, `blk.${layer}.${part}`, rows, columns, needsBias),
  deferred: async (part, rows, columns) => {
    const matrix = await deferMatrix(source, nameOf(layer, part), rows * columns);
    const bias = nameOf(layer, part, "bias");
    return { rows, columns, matrix, ...(source.tensors.has(bias) && { bias: await readVector(source, bias, rows) }) };
  },
});
