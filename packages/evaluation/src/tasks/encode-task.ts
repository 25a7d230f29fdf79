import { seededRandom, type Tokenizer } from "@kvtuner/decoder";
import { TaskError } from "./task-file.ts";
import type { TaskItem } from "./task-item.ts";

/** How prompts are put to a model. */
export interface TaskOptions {
  /** The most prompts asked, from the front; all by default. */
  readonly prompts?: number;
  /** Examples in front of every prompt, the same for all; 0 by default. */
  readonly shots?: number;
  /** Where examples come from; the task itself by default, which then does not ask them. */
  readonly shotsFrom?: readonly TaskItem[];
  /** Draws the examples; 0 by default. */
  readonly seed?: number;
  /** Puts examples and prompt into the model's chat template, as turns of a conversation. */
  readonly chat?: boolean;
  /** Of the file, for errors and warnings. */
  readonly name?: string;
  /** Told when the model's chat template leaves examples out, as one does that renders the last turn alone. */
  readonly onWarning?: (message: string) => void;
}

/** What {@link encodeTask} asks of a model. */
export interface TaskModel {
  readonly tokenizer: Pick<Tokenizer, "encode" | "decode" | "chatPrompt" | "eosIds">;
  /** Tokens the model was trained for. */
  readonly contextLength: number;
}

/** A prompt in tokens. */
export interface EncodedPrompt {
  readonly item: TaskItem;
  /** Examples and prompt, at least one token. */
  readonly ids: Int32Array;
  /** The choices of a `choice`; else the one answer, with its steps where the task has them. */
  readonly targets: readonly Int32Array[];
  /** Index in `targets` of the right one. */
  readonly right: number;
  /** Tokens of the text that ends an output; none where only end tokens do. */
  readonly stop: Int32Array;
}

/**
 * Draws the examples and turns each prompt into tokens. Prompt, answer and stop are tokenized apart, so that the prompt's
 * tokens are those that a model generates from.
 *
 * @throws TaskError `TASK_SHOTS` when too few lines are left for the examples, `TASK_TOO_LONG` for a prompt that does not fit
 *   the model's context with its answer, naming its line
 * @throws TokenizerError as `chatPrompt` does
 */
export const encodeTask = (
  items: readonly TaskItem[],
  model: TaskModel,
  options: TaskOptions = {},
): EncodedPrompt[] => {
  const { shots, asked } = drawShots(items, options);
  const encoded = asked.map((item) => encodePrompt(item, shots, model, options.chat === true));
  for (const prompt of encoded) assertFits(prompt, model.contextLength, options.name);
  if (options.chat === true && asked[0]) warnOfMissing(shots, chatText(asked[0], shots, model.tokenizer), options);
  return encoded;
};

const warnOfMissing = (shots: readonly TaskItem[], rendered: string, { onWarning, name }: TaskOptions): void => {
  // Templates may strip what is around a turn.
  const parts = shots.flatMap((shot) => [shot.prompt.trim(), shownAnswer(shot).trim()]);
  if (parts.every((part) => rendered.includes(part))) return;
  onWarning?.(
    `the model's chat template leaves examples out of the prompts of ${name ?? "the task"}: ` +
      "they are asked with fewer shots than were given; ask without chat, or without shots",
  );
};

const drawShots = (
  items: readonly TaskItem[],
  { prompts, shots = 0, shotsFrom, seed = 0, name = "the task" }: TaskOptions,
): { shots: readonly TaskItem[]; asked: readonly TaskItem[] } => {
  const pool = shotsFrom ?? items;
  const left = shotsFrom === undefined ? items.length - shots : items.length;
  if (pool.length < shots || left < 1)
    throw new TaskError(
      "TASK_SHOTS",
      `expected ${shots} lines for examples and one more to ask, got ${pool.length} lines in ${shotsFrom === undefined ? name : "the file of examples"}; give fewer shots or a longer file`,
    );
  const drawn = shuffled(pool, seed).slice(0, shots);
  const asked = shotsFrom === undefined ? items.filter((item) => !drawn.includes(item)) : items;
  return { shots: drawn, asked: asked.slice(0, prompts) };
};

/** Fisher and Yates's shuffle. */
const shuffled = <Item>(items: readonly Item[], seed: number): Item[] => {
  const random = seededRandom(seed);
  const result = [...items];
  for (let end = result.length - 1; end > 0; end--) {
    const other = Math.floor(random() * (end + 1));
    [result[end], result[other]] = [result[other]!, result[end]!];
  }
  return result;
};

const encodePrompt = (
  item: TaskItem,
  shots: readonly TaskItem[],
  { tokenizer }: TaskModel,
  chat: boolean,
): EncodedPrompt => {
  const targets = item.compare === "choice" ? (item.choices ?? []) : [shownAnswer(item)];
  return {
    item,
    ids: tokenizer.encode(chat ? chatText(item, shots, tokenizer) : plainText(item, shots)),
    targets: targets.map((target) => tokenizer.encode(chat ? target.trimStart() : target)),
    right: item.compare === "choice" ? targets.indexOf(item.answer) : 0,
    stop: item.stop === undefined ? new Int32Array(0) : tokenizer.encode(item.stop),
  };
};

const shownAnswer = ({ worked, answer }: TaskItem): string => worked ?? answer;

const plainText = (item: TaskItem, shots: readonly TaskItem[]): string =>
  [...shots.map((shot) => shot.prompt + shownAnswer(shot)), item.prompt].join("\n\n");

const chatText = (item: TaskItem, shots: readonly TaskItem[], tokenizer: TaskModel["tokenizer"]): string =>
  tokenizer.chatPrompt([
    ...shots.flatMap((shot) => [
      { role: "user" as const, content: shot.prompt },
      { role: "assistant" as const, content: shownAnswer(shot).trimStart() },
    ]),
    { role: "user", content: item.prompt },
  ]);

const assertFits = ({ item, ids, targets, stop }: EncodedPrompt, contextLength: number, name = "the task"): void => {
  const answer = Math.max(...targets.map((target) => target.length));
  const tokens = ids.length + answer + stop.length;
  if (tokens <= contextLength) return;
  throw new TaskError(
    "TASK_TOO_LONG",
    `expected each prompt with its answer to fit the ${contextLength} tokens that the model was trained for, but line ${item.line} of ${name} takes ${tokens} (prompt ${ids.length}, answer ${answer}, stop ${stop.length}); give fewer shots, or leave that line out`,
  );
};
