import { type ChatMessage, joinIds, type Tokenizer } from "@kvtuner/decoder";
import { drawExamples } from "./draw-examples.ts";
import { TaskError } from "./task-file.ts";
import type { TaskItem } from "./task-item.ts";
import type { TaskOptions } from "./task-options.ts";

/** The parts of a model that {@link encodeTask} uses. */
export interface TaskModel {
  readonly tokenizer: Pick<Tokenizer, "encode" | "decode" | "chatPrompt" | "chatIds" | "eosIds"> &
    Partial<Pick<Tokenizer, "startIds">>;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
}

/** A prompt in tokens. */
export interface EncodedPrompt {
  readonly item: TaskItem;
  /** Examples and prompt, at least one token. */
  readonly ids: Int32Array;
  /** The choices of a `choice`; otherwise the one answer, with its steps if the task has them. */
  readonly targets: readonly Int32Array[];
  /** Index in `targets` of the right one. */
  readonly right: number;
  /** Tokens of the text that ends an output; empty if only end tokens do, and for a `choice`, which nothing follows. */
  readonly stop: Int32Array;
}

/**
 * Draws the examples and turns each prompt into tokens. Prompt, answer and stop are tokenized separately, because a model
 * generates from the prompt's own tokens.
 *
 * @throws TaskError `TASK_SHOTS` when too few lines are left for the examples or the evaluation, `TASK_TOO_LONG` when a
 *   prompt with its answer exceeds the model's context, `TASK_LINE` with the line when a chat makes its answers empty or equal
 * @throws TokenizerError as `chatPrompt` does
 */
export const encodeTask = (
  items: readonly TaskItem[],
  model: TaskModel,
  options: TaskOptions = {},
): EncodedPrompt[] => {
  const { shots, evaluated } = drawExamples(items, options);
  const encoded = evaluated.map((item) => encodePrompt(item, shots, model, options));
  for (const prompt of encoded) assertFits(prompt, model.contextLength, options.name);
  if (options.chat === true && evaluated[0])
    warnOfMissing(shots, model.tokenizer.chatPrompt(chatMessages(evaluated[0], shots)), options);
  return encoded;
};

const warnOfMissing = (shots: readonly TaskItem[], rendered: string, { onWarning, name }: TaskOptions): void => {
  // Templates may trim a turn.
  const parts = shots.flatMap((shot) => [shot.prompt.trim(), shownAnswer(shot).trim()]);
  if (parts.every((part) => rendered.includes(part))) return;
  onWarning?.(
    `the model's chat template drops examples from the prompts of ${name ?? "the task"}, ` +
      "so prompts have fewer shots than requested; evaluate without chat or without shots",
  );
};

const encodePrompt = (
  item: TaskItem,
  shots: readonly TaskItem[],
  { tokenizer }: TaskModel,
  { chat = false, name }: TaskOptions,
): EncodedPrompt => {
  const targets = item.compare === "choice" ? (item.choices ?? []) : [shownAnswer(item)];
  return {
    item,
    ids: chat ? tokenizer.chatIds(chatMessages(item, shots)) : plainIds(item, shots, tokenizer),
    targets: (chat ? chatTargets(item, targets, name) : targets).map((target) => tokenizer.encode(target)),
    right: item.compare === "choice" ? targets.indexOf(item.answer) : 0,
    stop: item.stop === undefined || item.compare === "choice" ? new Int32Array(0) : tokenizer.encode(item.stop),
  };
};

/** A turn of a chat cannot start with blanks. Of choices that differ only in blanks, the first would always win. */
const chatTargets = ({ line }: TaskItem, targets: readonly string[], name = "the task"): string[] => {
  const trimmed = targets.map((target) => target.trimStart());
  if (!trimmed.includes("") && new Set(trimmed).size === trimmed.length) return trimmed;
  throw new TaskError(
    "TASK_LINE",
    `expected answers and choices that are not blank and differ by more than leading blanks, which a chat drops, got ${JSON.stringify(targets)} in line ${line} of ${name}; evaluate without chat, or change that line`,
  );
};

const shownAnswer = ({ worked, answer }: TaskItem): string => worked ?? answer;

const plainIds = (item: TaskItem, shots: readonly TaskItem[], tokenizer: TaskModel["tokenizer"]): Int32Array => {
  const text = [...shots.map((shot) => shot.prompt + shownAnswer(shot)), item.prompt].join("\n\n");
  return joinIds(tokenizer.startIds ?? [], tokenizer.encode(text));
};

const chatMessages = (item: TaskItem, shots: readonly TaskItem[]): ChatMessage[] => [
  ...shots.flatMap((shot) => [
    { role: "user" as const, content: shot.prompt },
    { role: "assistant" as const, content: shownAnswer(shot).trimStart() },
  ]),
  { role: "user", content: item.prompt },
];

const assertFits = ({ item, ids, targets, stop }: EncodedPrompt, contextLength: number, name = "the task"): void => {
  const answer = targets.reduce((longest, target) => Math.max(longest, target.length), 0);
  const tokens = ids.length + answer + stop.length;
  if (tokens <= contextLength) return;
  throw new TaskError(
    "TASK_TOO_LONG",
    `expected each prompt with its answer to fit the model's context of ${contextLength} tokens, got ${tokens} tokens in line ${item.line} of ${name} (prompt ${ids.length}, answer ${answer}, stop ${stop.length}); give fewer shots, or leave that line out`,
  );
};
