import { totalmem } from "node:os";
import type { WeightMemory, WeightStorage } from "@kvtuner/decoder";
import { formatBytes, KvtunerError } from "@kvtuner/plan";

/** Estimates are up to a seventh too high. */
const TOLERANCE = 0.85;

/**
 * Rejects weights that do not fit the free memory: the system would end the process without a message.
 *
 * @throws ModelMemoryError
 */
export const assertMemory = (
  { peakBytes }: WeightMemory,
  storage: WeightStorage,
  freeBytes: number = freeMemory(),
): void => {
  if (TOLERANCE * peakBytes > freeBytes) throw new ModelMemoryError(peakBytes, storage, freeBytes);
};

/** macOS reports little of its available memory as free, and a sandbox may report none. */
const freeMemory = (): number => (process.platform === "darwin" ? 0 : process.availableMemory()) || totalmem();

/** Weights that do not fit the memory. */
export class ModelMemoryError extends KvtunerError {
  constructor(peakBytes: number, storage: WeightStorage, freeBytes: number) {
    const smaller = storage === "stored-int8" ? "" : ", give run or bench --weights stored-int8";
    super(
      "MODEL_MEMORY",
      `expected about ${formatBytes(peakBytes)} of free memory to load the weights as ${storage}, got ${formatBytes(freeBytes)}; close other programs${smaller}, or use a smaller model`,
    );
    this.name = "ModelMemoryError";
  }
}
