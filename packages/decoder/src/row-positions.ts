import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "./architecture/config.ts";
import { frequencyFactors } from "./architecture/frequency-factors.ts";
import { ModelError } from "./architecture/model-error.ts";
import { type RopeConfig, ropeTable } from "./architecture/rope.ts";
import { queryFactors } from "./architecture/temperature.ts";
import type { WeightSource } from "./architecture/weights.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import type { Tensors } from "./run-into.ts";
import { LAYER_INPUT, layerInputName } from "./segments/layer-inputs.ts";

/** Cosines and sines of one RoPE table for some rows, each float32 `[rows, dimensions / 2]`. */
export interface RopeRows {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/** What segments need to know of some rows besides the residuals: of their positions, a part of each RoPE table of the model. */
export interface RowPositions {
  readonly tables: readonly RopeRows[];
  /** Factors of queries, float32 `[rows, 1]`, of a model with attention temperature. */
  readonly queryFactor?: Tensor;
  /** Numbers of each layer's own embedding, one tensor `[rows, size]` per layer; from `first` of a model that has them. */
  readonly layerInputs?: readonly Tensor[];
  /** The positions themselves, int64 `[rows]`, for models that have tables of their own. */
  readonly ids?: Tensor;
}

/**
 * Reads the tensors of frequency factors. The result makes {@link RowPositions} on the CPU, and throws a ModelError
 * `MODEL_ROPE_CONTEXT` for positions that the factors do not hold for.
 */
export const readPositions = async (
  source: WeightSource,
  { rope, temperature }: DecoderConfig,
): Promise<(positions: ArrayLike<number>) => RowPositions> => {
  const factors: (Float32Array | undefined)[] = [];
  for (const table of rope.tables) factors.push(await frequencyFactors(source, table));
  return (positions) => {
    assertFactorsHold(rope, positions);
    return {
      tables: rope.tables.map((spec, index) => {
        const { cosine, sine } = ropeTable(spec, positions, factors[index]);
        const dims = [positions.length, spec.dimensions / 2];
        return { cosine: new Tensor("float32", cosine, dims), sine: new Tensor("float32", sine, dims) };
      }),
      ...(temperature && {
        queryFactor: new Tensor("float32", queryFactors(temperature, positions), [positions.length, 1]),
      }),
    };
  };
};

const assertFactorsHold = ({ contextLength = Infinity }: RopeConfig, positions: ArrayLike<number>): void => {
  for (let row = 0; row < positions.length; row++) {
    const position = positions[row]!;
    if (position < contextLength) continue;
    throw new ModelError(
      "MODEL_ROPE_CONTEXT",
      `expected at most ${contextLength} tokens, for which the model's RoPE factors were chosen at load, got a token at position ${position}; use a shorter text, or load the model with a contextLength of all its tokens`,
    );
  }
};

/**
 * Inputs of the segment that ends before the hole of `layer`, as far as that layer depends on positions, and the one before it
 * on an embedding of its own. After the last layer, `layer` is their number.
 */
export const positionInputs = (
  { tables, queryFactor, layerInputs }: RowPositions,
  { rope, layers, recurrentLayers }: DecoderConfig,
  layer: number,
): Readonly<Record<string, Tensor>> => {
  if (recurrentLayers?.at[layer] === true) return {};
  const table = rope.tableOf[layer];
  const layerInput = layerInputs?.[layer - 1];
  return {
    ...(table !== undefined && tables[table]!),
    ...(queryFactor && layer < layers && { query_factor: queryFactor }),
    ...(layerInput && { [LAYER_INPUT]: layerInput }),
  };
};

/** The positions of rows, with what the first segment gives to the later ones. */
export const withLayerInputs = (positions: RowPositions, outputs: Tensors): RowPositions => {
  const layerInputs: Tensor[] = [];
  for (let input = outputs[layerInputName(0)]; input; input = outputs[layerInputName(layerInputs.length)])
    layerInputs.push(input);
  return layerInputs.length > 0 ? { ...positions, layerInputs } : positions;
};

/** The same positions in other tensors. */
export const movedPositions = async (
  { tables, queryFactor }: RowPositions,
  move: (tensor: Tensor) => Promise<Tensor>,
): Promise<RowPositions> => {
  const moved = [];
  for (const { cosine, sine } of tables) moved.push({ cosine: await move(cosine), sine: await move(sine) });
  return { tables: moved, ...(queryFactor && { queryFactor: await move(queryFactor) }) };
};

/** Disposes of positions on a device. */
export const releasePositions = ({ tables, queryFactor, layerInputs = [] }: RowPositions): void =>
  releaseDeviceTensors(
    ...tables.flatMap(({ cosine, sine }) => [cosine, sine]),
    ...(queryFactor ? [queryFactor] : []),
    ...layerInputs,
  );
