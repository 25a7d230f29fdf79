import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "./architecture/config.ts";
import { ropeTable } from "./architecture/rope.ts";
import type { WeightSource } from "./architecture/weights.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";

/** Cosines and sines of one RoPE table for some rows, each float32 `[rows, dimensions / 2]`. */
export interface RopeRows {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/** What segments need to know of the positions of some rows: a part of each RoPE table of the model. */
export interface RowPositions {
  readonly tables: readonly RopeRows[];
}

/** Reads the tensors of frequency factors; the result makes {@link RowPositions} on the CPU. */
export const readPositions = async (
  source: WeightSource,
  { rope }: DecoderConfig,
): Promise<(positions: ArrayLike<number>) => RowPositions> => {
  const factors: (Float32Array | undefined)[] = [];
  for (const { factorsTensor } of rope.tables)
    factors.push(
      factorsTensor !== undefined && source.tensors.has(factorsTensor)
        ? await source.readTensor(factorsTensor)
        : undefined,
    );
  return (positions) => ({
    tables: rope.tables.map((spec, index) => {
      const { cosine, sine } = ropeTable(spec, positions, factors[index]);
      const dims = [positions.length, spec.dimensions / 2];
      return { cosine: new Tensor("float32", cosine, dims), sine: new Tensor("float32", sine, dims) };
    }),
  });
};

/** Inputs of the segment that ends before the hole of `layer`; none for a layer without RoPE. */
export const positionInputs = ({ tables }: RowPositions, { rope }: DecoderConfig, layer: number): Partial<RopeRows> => {
  const table = rope.tableOf[layer];
  return table === undefined ? {} : { ...tables[table]! };
};

/** Disposes of positions on a device. */
export const releasePositions = ({ tables }: RowPositions): void =>
  releaseDeviceTensors(...tables.flatMap(({ cosine, sine }) => [cosine, sine]));
