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
  /** Whether the user cannot name `weights`; errors then do not either. */
  readonly weightsAreFixed?: boolean;
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
  /** Work in it that the user can do without. */
  readonly avoidable?: AvoidableWork;
}

/** Work to name when the model fits without it and not with it. */
export interface AvoidableWork {
  /** Such as `the gradients of 2 samples of 512 tokens`. */
  readonly name: string;
  readonly advice: string;
  /** Memory beside the model's without it. */
  readonly without: BesideMemory;
}

const NOTHING: BesideMemory = { peakBytes: 0, anonymousBytes: 0 };

/** Estimates are up to a seventh too high. */
const TOLERANCE = 0.85;

/**
 * Chooses how to hold weights within the memory: the first of compact and exact that fits, with small pieces of prompts if it must,
 * or else exact with few segments open at a time. Without that, the system would end the process without a message.
 *
 * @throws ModelMemoryError when nothing fits, WorkMemoryError when the model alone does
 */
export const chooseWeights = (gguf: GgufFile, wishes: WeightWishes, freeBytes: number = freeMemory()): WeightChoice => {
  const choice = fittingWeights(gguf, wishes, freeBytes);
  if (choice) return choice;
  const { weights, weightsAreFixed = false, memory, beside = NOTHING } = wishes;
  const ways = weightsAreFixed && weights !== undefined ? [weights] : WEIGHTS;
  const needsBeside = (other: BesideMemory): Need[] =>
    ways.map((way) => ({ way, bytes: leastBytes(way, withBeside(runMemory(gguf, way, LEAST_PIECE_TOKENS), other)) }));
  const { avoidable } = beside;
  if (avoidable && fittingWeights(gguf, { ...wishes, beside: avoidable.without }, freeBytes))
    throw new WorkMemoryError(avoidable, smallestOf(needsBeside(beside)).bytes, memory, freeBytes);
  throw new ModelMemoryError(needsBeside(avoidable?.without ?? beside), weights, memory, freeBytes);
};

const fittingWeights = (
  gguf: GgufFile,
  { weights, memory, beside = NOTHING }: WeightWishes,
  freeBytes: number,
): WeightChoice | undefined => {
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
  return undefined;
};

/**
 * {@link chooseWeights} of a model whose files are used as they are.
 *
 * @throws ModelMemoryError when not even one segment fits
 */
export const chooseAsStored = (
  need: RunMemory,
  { memory, beside = NOTHING }: Pick<WeightWishes, "memory" | "beside">,
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

/** Memory that a way to hold the weights takes at least. */
interface Need {
  readonly way: Weights;
  readonly bytes: number;
}

const smallestOf = (needs: readonly Need[]): Need => needs.toSorted((one, other) => one.bytes - other.bytes)[0]!;

const described = (memory: number | undefined, freeBytes: number): string =>
  memory === undefined ? `${formatBytes(freeBytes)} free` : `--memory ${formatBytes(memory)}`;

/** Weights that do not fit the memory. */
export class ModelMemoryError extends KvtunerError {
  /** @param needs of the ways to choose from */
  constructor(needs: readonly Need[], weights: Weights | undefined, memory: number | undefined, freeBytes: number) {
    const wayOf = (way: Weights): string => (needs.length > 1 ? ` with --weights ${way}` : "");
    const all = needs.map(({ way, bytes }) => `${formatBytes(bytes)}${wayOf(way)}`).join(" and ");
    const got = described(memory, freeBytes);
    const smallest = smallestOf(needs);
    const other = weights !== undefined && weights !== smallest.way ? `, use --weights ${smallest.way}` : "";
    super(
      "MODEL_MEMORY",
      `expected at least ${all} to run this model, got ${got}; ${memory === undefined ? "close other programs" : "raise --memory"}${other}, or use a smaller model`,
    );
    this.name = "ModelMemoryError";
  }
}

/** Work beside a model that does not fit the memory, while the model does. */
export class WorkMemoryError extends KvtunerError {
  constructor({ name, advice }: AvoidableWork, bytes: number, memory: number | undefined, freeBytes: number) {
    super(
      "WORK_MEMORY",
      `expected at least ${formatBytes(bytes)} of memory for ${name}, got ${described(memory, freeBytes)}; ${advice}`,
    );
    this.name = "WorkMemoryError";
  }
}
