import type { DecoderConfig } from "@kvtuner/decoder";
import { type CacheShape, layerShapes } from "@kvtuner/plan";
import type { ActivationStore, SpillFile, StoreOptions } from "./activation-store.ts";

const FLOAT32_BYTES = 4;
const DEFAULT_MEMORY_BYTES = 512 * 2 ** 20;

/** Memory of an evaluator. None of these changes a score. */
export interface ActivationOptions {
  /** Bytes of activations held in memory (default 512 MiB). More go to the spill file; without one, fewer plans run together. */
  readonly memoryBytes?: number;
  /** Opens a temporary file for activations beyond `memoryBytes`. */
  readonly openSpill?: () => Promise<SpillFile>;
  /**
   * Rows that pass one segment before the next is used (default 1: plans run one after another). A score is reported when all
   * plans that run together are done. Useful if a segment is read from disk when it is used.
   */
  readonly rowsPerSegment?: number;
}

/** Options of {@link createActivationStore}. */
export const storeOptionsOf = ({ memoryBytes = DEFAULT_MEMORY_BYTES, openSpill }: ActivationOptions): StoreOptions => ({
  memoryBytes,
  openSpill,
});

/** Sizes of a model that its activations depend on. */
export interface ActivationSizes {
  readonly config: Pick<DecoderConfig, "hiddenSize">;
  readonly shape: CacheShape;
}

/** Bytes of one plan's state between two layers: residual, query, key and value of `rows` tokens, in float32. */
export const stateBytes = ({ config, shape }: ActivationSizes, rows: number): number => {
  const widths = layerShapes(shape).map(
    ({ queryHeads, kvHeads, headSize, valueSize = headSize }) =>
      (queryHeads + kvHeads) * headSize + kvHeads * valueSize,
  );
  return FLOAT32_BYTES * rows * (config.hiddenSize + Math.max(...widths));
};

/** States beside those of the plans that run together: the one where the next plans start, and one being computed. */
const OTHER_STATES = 2;

/** Plans that run together: enough for `rowsPerSegment`, but no more than the store can hold. */
export const plansTogether = (
  sizes: ActivationSizes,
  rows: number,
  { capacityBytes }: Pick<ActivationStore, "capacityBytes">,
  { rowsPerSegment = 1 }: ActivationOptions,
): number => {
  const held = Math.floor(capacityBytes / stateBytes(sizes, rows)) - OTHER_STATES;
  return Math.max(1, Math.min(Math.floor(rowsPerSegment / rows), held));
};
