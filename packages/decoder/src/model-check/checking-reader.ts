import type { KvtunerError } from "@kvtuner/plan";
import type { DecoderConfig } from "../architecture/config.ts";
import { type LayerReader, layerReader } from "../architecture/layer-reader.ts";
import type { ModelHeader, WeightSource } from "../architecture/weights.ts";
import { faultOf } from "./collect-faults.ts";

const EMPTY = new Float32Array(0);

/** A source with the tensors of a header, all read as empty. */
export const emptySource = ({ metadata, tensors }: ModelHeader): WeightSource => ({
  metadata,
  tensors,
  readTensor: async () => EMPTY,
  readTensorRows: async () => EMPTY,
});

/** Checks the names and sizes of tensors that a family reads. Adds the names to `parts`; reads no numbers. */
export const checkingReader = (
  header: ModelHeader,
  config: DecoderConfig,
  layer: number,
  parts: Set<string>,
  faults: KvtunerError[],
): LayerReader => {
  const reader = layerReader(emptySource(header), config, layer);
  const check = async (part: string, read: () => Promise<unknown>): Promise<void> => {
    parts.add(part);
    try {
      await read();
    } catch (error) {
      faults.push(faultOf(error));
    }
  };
  return {
    ...reader,
    vector: async (part, length, ending) => {
      await check(part, async () => reader.vector(part, length, ending));
      return EMPTY;
    },
    linear: async (part, rows, columns, needsBias) => {
      await check(part, async () => reader.linear(part, rows, columns, needsBias));
      return { rows, columns, matrix: EMPTY };
    },
    deferred: async (part, rows, columns) => {
      await check(part, async () => reader.deferred(part, rows, columns));
      return { rows, columns, matrix: { read: async () => EMPTY } };
    },
  };
};
