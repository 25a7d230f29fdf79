import { totalmem } from "node:os";
import type { GgufFile } from "@kvtuner/decoder";
import { formatBytes, KvtunerError } from "@kvtuner/plan";
import { LEAST_PIECE_TOKENS, pieceTokens, runMemory, WEIGHTS, type RunMemory, type Weights } from "./weights.ts";

/** How the weights of a model are held within a limit of memory. */
export interface WeightChoice {
  readonly weights: Weights;
  /** Segments open at a time; absent for all. */
  readonly residentSegments?: number;
  /** Tokens of a prompt that pass through the model together; absent for the default of a session. */
  readonly pieceTokens?: number;
  /** Predicted peak of the process, bytes. */
  readonly peakBytes: number;
  readonly diskBytes: number;
}

/** What a choice is made by. */
export interface WeightWishes {
  /** The only way to hold the weights that may be chosen. */
  readonly weights?: Weights;
  /** Limit of the memory of the process, bytes; by default what is free, of which mapped files may take more. */
  readonly memory?: number;
  /** Memory that the caller takes beside the model; none by default. */
  readonly beside?: BesideMemory;
}

/** Memory beside a model's, bytes. */
export interface BesideMemory {
  /** Of the process, at its peak. */
  readonly peakBytes: number;
  /** The part of it that the system cannot drop. */
  readonly anonymousBytes: number;
}

const NOTHING: BesideMemory = { peakBytes: 0, anonymousBytes: 0 };

/** Estimates are up to a seventh too high. */
const TOLERANCE = 0.85;

/**
 * Chooses how to hold weights within the memory: the first of compact and exact that fits, with small pieces of prompts if it must,
 * or else exact with few segments open at a time. Without that, the system would end the process without a message.
 *
 * @throws ModelMemoryError when nothing fits
 */
export const chooseWeights = (
  gguf: GgufFile,
  { weights, memory, beside = NOTHING }: WeightWishes,
  freeBytes: number = freeMemory(),
): WeightChoice => {
  const ways = weights === undefined ? WEIGHTS : [weights];
  const needOf = (way: Weights, tokens: number): RunMemory => withBeside(runMemory(gguf, way, tokens), beside);
  for (const way of ways) {
    const all = pieceTokens(gguf, way);
    for (const tokens of [all, LEAST_PIECE_TOKENS]) {
      const choice = fitting(way, needOf(way, tokens), memory, freeBytes);
      // Opening segments again and again takes longer than small pieces.
      if (choice && (choice.residentSegments === undefined || tokens === LEAST_PIECE_TOKENS))
        return { ...choice, pieceTokens: tokens };
    }
  }
  const needs = WEIGHTS.map((way) => ({ way, bytes: leastBytes(way, needOf(way, LEAST_PIECE_TOKENS)) }));
  throw new ModelMemoryError(needs, weights, memory, freeBytes);
};

/**
 * {@link chooseWeights} of a model whose files are used as they are.
 *
 * @throws ModelMemoryError when not even one segment fits
 */
export const chooseAsStored = (
  need: RunMemory,
  { memory, beside = NOTHING }: Omit<WeightWishes, "weights">,
  freeBytes: number = freeMemory(),
): WeightChoice => {
  const all = withBeside(need, beside);
  const choice = fitting("exact", all, memory, freeBytes);
  if (choice) return choice;
  throw new ModelMemoryError([{ way: "exact", bytes: leastBytes("exact", all) }], undefined, memory, freeBytes);
};

const withBeside = (need: RunMemory, { peakBytes, anonymousBytes }: BesideMemory): RunMemory => ({
  ...need,
  peakBytes: need.peakBytes + peakBytes,
  anonymousBytes: need.anonymousBytes + anonymousBytes,
});

const fitting = (
  weights: Weights,
  need: RunMemory,
  memory: number | undefined,
  freeBytes: number,
): WeightChoice | undefined => {
  const { diskBytes, peakBytes, anonymousBytes, largestSegmentBytes } = need;
  // The system drops pages of files if it must.
  const needed = memory === undefined ? TOLERANCE * anonymousBytes : peakBytes;
  const limit = memory ?? freeBytes;
  if (needed <= limit) return { weights, diskBytes, peakBytes };
  if (weights === "compact") return undefined;
  const residentSegments = Math.floor((limit - anonymousBytes) / largestSegmentBytes);
  if (residentSegments < 1) return undefined;
  return { weights, residentSegments, diskBytes, peakBytes: anonymousBytes + residentSegments * largestSegmentBytes };
};

const leastBytes = (weights: Weights, { peakBytes, anonymousBytes, largestSegmentBytes }: RunMemory): number =>
  weights === "compact" ? peakBytes : Math.min(peakBytes, anonymousBytes + largestSegmentBytes);

/** Memory that a process may take, bytes. macOS reports little of it as free, and a sandbox may report none. */
export const freeMemory = (): number => (process.platform === "darwin" ? 0 : process.availableMemory()) || totalmem();

/** Weights that do not fit the memory. */
export class ModelMemoryError extends KvtunerError {
  constructor(
    needs: readonly { readonly way: Weights; readonly bytes: number }[],
    weights: Weights | undefined,
    memory: number | undefined,
    freeBytes: number,
  ) {
    const all = needs.map(({ way, bytes }) => `${formatBytes(bytes)} with --weights ${way}`).join(" and ");
    const got = memory === undefined ? `${formatBytes(freeBytes)} free` : `--memory ${formatBytes(memory)}`;
    const smallest = needs.toSorted((one, other) => one.bytes - other.bytes)[0]!;
    const other = weights !== undefined && weights !== smallest.way ? `, use --weights ${smallest.way}` : "";
    super(
      "MODEL_MEMORY",
      `expected at least ${all} to run this model, got ${got}; ${memory === undefined ? "close other programs" : "raise --memory"}${other}, or use a smaller model`,
    );
    this.name = "ModelMemoryError";
  }
}
