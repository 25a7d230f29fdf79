import {
  encodeTask,
  sequencesOf,
  type EncodedPrompt,
  type Likelihood,
  type TaskEvaluator,
  type TaskItem,
} from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import { lazily, type Lazy } from "../lazily.ts";
import { fillOptions } from "../option-table.ts";
import type { TunableModel } from "../tunable-model.ts";
import { fewPromptsWarning } from "./few-prompts.ts";
import { TASK_OPTIONS, type AskOptions } from "./task-options.ts";

/** Settings that affect a task's figures. */
export interface TaskSettings {
  /** SHA-256 of the task file; comma-separated for several files. */
  readonly task: string;
  /** Number of prompts of all files. */
  readonly prompts: number;
  readonly shots: number;
  /** SHA-256 of the file that examples come from; `self` for the task. */
  readonly shotsFrom: string;
  readonly chat: boolean;
  readonly maxTokens: number;
  readonly likelihood: Likelihood;
}

/** Tasks in a model's tokens. */
export interface OpenTask {
  /** Name of each file, to show to users. */
  readonly names: readonly string[];
  /** Prompts of the files in turn, so that the first prompts come from all files. */
  readonly prompts: readonly EncodedPrompt[];
  /** Index into `names`, by prompt. */
  readonly fileOf: readonly number[];
  readonly settings: TaskSettings;
  /** Made when it is first used; the caller disposes of it. */
  readonly evaluator: Lazy<TaskEvaluator>;
}

/** A task file that was read and checked. */
export interface TaskFile {
  readonly path: string;
  /** A short name that tells it from the other files. */
  readonly name: string;
  readonly items: readonly TaskItem[];
  /** SHA-256. */
  readonly checksum: string;
}

/** Task files that were read and checked, before any model is opened. */
export interface ReadTask {
  readonly request: AskOptions;
  readonly files: readonly TaskFile[];
  readonly shotsFrom: TaskFile | undefined;
}

/**
 * Turns tasks into a model's tokens.
 *
 * @param warn receives warnings: prompts shown as examples, examples that the chat template leaves out, too few prompts
 * @throws KvtunerError for too few examples, a prompt longer than the context, and models that answer no prompts
 */
export const openTask = (
  model: TunableModel,
  { request, files, shotsFrom }: ReadTask,
  warn: (message: string) => void,
): OpenTask => {
  const { tasks: support } = model;
  if (support === undefined) throw new TaskSupportError(model.identity.name);
  const { shots, chat = false, maxTokens, likelihood } = fillOptions(TASK_OPTIONS, request);
  const { seed = 0 } = request;
  const options = {
    shots,
    chat,
    seed,
    onWarning: warn,
    ...(request.prompts !== undefined && { prompts: request.prompts }),
  };
  const encoded = files.map(({ items, path }) =>
    encodeTask(items, support, { ...options, name: path, ...(shotsFrom && { shotsFrom: shotsFrom.items }) }),
  );
  const interleaved = inTurn(encoded);
  const prompts = interleaved.map(({ item }) => item);
  const warning = fewPromptsWarning(prompts.length);
  if (warning !== undefined) warn(warning);
  const task = files.map(({ checksum }) => checksum).join();
  const from = shotsFrom?.checksum ?? "self";
  const settings = { task, prompts: prompts.length, shots, shotsFrom: from, chat, maxTokens, likelihood };
  return {
    names: files.map(({ name }) => name),
    prompts,
    fileOf: interleaved.map(({ list }) => list),
    settings,
    evaluator: lazily(() => support.evaluator(prompts, settings)),
  };
};

/** The first of each list, then the second, ... */
const inTurn = <Item>(lists: readonly (readonly Item[])[]): { readonly item: Item; readonly list: number }[] =>
  lists
    .flatMap((items, list) => items.map((item, turn) => ({ item, list, turn })))
    .toSorted((one, other) => one.turn - other.turn || one.list - other.list);

/** Names of the files in words: `recall.jsonl and chain.jsonl`. */
export const taskName = ({ names }: Pick<OpenTask, "names">): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** Tokens of the longest prompt with its answer. */
export const longestSequence = ({ prompts }: OpenTask): number =>
  prompts.reduce((longest, prompt) => Math.max(longest, answered(prompt).length), 0);

/** The longest prompts with their answers, cut at the length of the shortest of them. */
export const taskSamples = ({ prompts }: OpenTask, count: number): Int32Array[] => {
  const longest = prompts
    .map(answered)
    .toSorted((one, other) => other.length - one.length)
    .slice(0, count);
  const length = longest.at(-1)?.length ?? 0;
  return longest.map((ids) => ids.slice(0, length));
};

/** The first prompts as the evaluator feeds them with their right answers, and where the answers are predicted. */
export const answerTexts = ({ prompts }: OpenTask, count: number): { ids: Int32Array; from: number }[] =>
  prompts.slice(0, count).map((prompt) => {
    const { ids, firstRow } = sequencesOf(prompt)[prompt.right]!;
    return { ids, from: firstRow };
  });

const answered = ({ ids, targets, right, stop }: EncodedPrompt): Int32Array =>
  Int32Array.from([...ids, ...(targets[right] ?? []), ...stop]);

/** The model cannot answer prompts. */
export class TaskSupportError extends KvtunerError {
  constructor(name: string) {
    super(
      "MODEL_NO_TASKS",
      `expected a model that answers prompts, but ${name} was opened without \`tasks\`; open it with openModel, or give it that`,
    );
    this.name = "TaskSupportError";
  }
}
