import type { Buffer } from "../device/buffer.ts";
import type { Engine } from "../device/engine.ts";
import { blockWords, type TensorFormat } from "./tensor-format.ts";

/** Space for some tokens of a layer, in one buffer of keys and one of values. Tokens are counted after the sinks. */
export interface Block {
  readonly first: number;
  /** A multiple of 128. */
  readonly tokens: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The blocks of a layer. With a span, tokens take the places of those `cycle` tokens before them. */
export interface BlockCycle {
  readonly blocks: readonly Block[];
  /** A multiple of 128; Infinity without a span. */
  readonly cycle: number;
}

/** What block sizes depend on. */
export interface BlockSizes {
  readonly key: TensorFormat;
  readonly value: TensorFormat;
  readonly kvHeads: number;
  readonly cycle: number;
}

const FIRST_TOKENS = 1024;
const MOST_TOKENS = 8192;
const STEP_TOKENS = 128;

/**
 * Tokens of a cycle: those that queries of a piece read and whole groups of them, besides the tokens of a call. Memory
 * stops growing there.
 */
export const cycleTokens = ({ key, value }: Pick<BlockSizes, "key" | "value">, callTokens: number): number =>
  STEP_TOKENS * Math.ceil((key.span + Math.max(key.block, value.block) + callTokens) / STEP_TOKENS);

/**
 * Tokens of the next block: the number already held, from 1024 to 8192, limited by one binding of the device and by the
 * cycle.
 */
export const nextTokens = (held: number, sizes: BlockSizes, maxBindingBytes: number): number => {
  const stepBytes = 4 * Math.max(...[sizes.key, sizes.value].map((format) => wordsOf(format, sizes)));
  const most = STEP_TOKENS * Math.max(1, Math.floor(maxBindingBytes / stepBytes));
  return Math.min(most, MOST_TOKENS, Math.max(FIRST_TOKENS, held), sizes.cycle - held);
};

const wordsOf = (format: TensorFormat, { kvHeads }: BlockSizes): number => blockWords(format, kvHeads, STEP_TOKENS);

/** Creates the block after `first` tokens. */
export const createBlock = async (engine: Engine, first: number, sizes: BlockSizes): Promise<Block> => {
  const tokens = nextTokens(first, sizes, engine.limits.maxBindingBytes);
  const create = (format: TensorFormat): Promise<Buffer> =>
    engine.createBound(4 * blockWords(format, sizes.kvHeads, tokens));
  const key = await create(sizes.key);
  try {
    return { first, tokens, key, value: await create(sizes.value) };
  } catch (error) {
    engine.destroy(key);
    throw error;
  }
};

/** Splits tokens `from .. to - 1` at block boundaries. The blocks visited start at their first token in this cycle. */
export const eachBlock = (
  { blocks, cycle }: BlockCycle,
  from: number,
  to: number,
  visit: (block: Block, from: number, to: number) => void,
): void => {
  for (let lap = from - (from % cycle); lap < to; lap += cycle)
    for (const block of blocks) {
      const first = lap + block.first;
      const [start, end] = [Math.max(from, first), Math.min(to, first + block.tokens)];
      if (start < end) visit({ ...block, first }, start, end);
    }
};
