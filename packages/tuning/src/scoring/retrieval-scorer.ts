import { RETRIEVAL_KINDS, type RetrievalCell, retrievalItems, type RetrievalKind } from "@kvtuner/evaluation";
import { type Option, wholeOption } from "../option-table.ts";
import { oneOf, OptionError, wholeNumber } from "../option-values.ts";
import type { Callbacks } from "../progress.ts";
import type { TaskFile } from "../tasks/open-task.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { PlanScorer } from "./plan-scorer.ts";
import { taskScorer, type TaskResult } from "./task-scorer.ts";

const numbers = (
  help: string,
  fallback: readonly number[],
  most?: number,
): Option<readonly number[], readonly number[], readonly number[]> => ({
  kind: "numbers",
  value: "<list>",
  help: `with --retrieval, ${help} (default: ${fallback.join(",")})`,
  fallback,
  check: (name, given) => {
    if (given.length === 0) throw new OptionError(name, "at least one number", "none");
    for (const number of given) wholeNumber(name, number, 0, most);
    return [...new Set(given)].toSorted((one, other) => one - other);
  },
});

const retrieval: Option<readonly RetrievalKind[], readonly string[], undefined> = {
  kind: "list",
  value: "<kinds>",
  help: `score plans on finding what long texts hide, comma-separated: ${RETRIEVAL_KINDS.join(", ")}`,
  fallback: undefined,
  conflicts: ["text", "task"],
  check: (name, given) => [...new Set(given.map((kind) => oneOf(name, kind.trim() as RetrievalKind, RETRIEVAL_KINDS)))],
};

/** Options of retrieval. */
export const RETRIEVAL_OPTIONS = {
  retrieval,
  lengths: numbers("tokens of the texts", [512, 2048]),
  depths: numbers("where the answer is hidden: percent of the text before it", [0, 25, 50, 75, 100], 100),
  perCell: wholeOption({ least: 1 }, 10, "with --retrieval, number of prompts for each kind, length and depth"),
};

/** What is asked for, with all defaults filled in. */
export interface RetrievalRequest {
  readonly kinds: readonly RetrievalKind[];
  /** Tokens. */
  readonly lengths: readonly number[];
  /** Percent. */
  readonly depths: readonly number[];
  /** Prompts of each kind, length and depth. */
  readonly perCell: number;
  readonly seed: number;
}

/** Shares of the prompts of one cell that were answered right. */
export interface RetrievalCellResult extends RetrievalCell {
  readonly prompts: number;
  readonly accuracy: number;
  readonly floatAccuracy: number;
}

/** A plan's accuracy on all cells and on each. */
export interface RetrievalResult extends TaskResult {
  readonly cells: readonly RetrievalCellResult[];
}

/**
 * Scores plans on finding what long texts hide. KL hardly shows a lost number, which is a token of thousands; and a plan that finds all numbers may
 * still lose much else.
 *
 * @param length tokens at which bytes are counted
 * @throws KvtunerError for a model that answers no prompts, and lengths that it cannot take
 */
export const retrievalScorer = (
  model: TunableModel,
  request: RetrievalRequest,
  length: number,
  callbacks: Callbacks,
): PlanScorer<RetrievalResult> => {
  const cells = cellsOf(request);
  const files = cells.map((cell) => fileOf(model, cell, request));
  const scorer = taskScorer(
    model,
    { request: { maxTokens: ANSWER_TOKENS }, files, shotsFrom: undefined },
    length,
    callbacks,
  );
  return {
    score: async (plan) => {
      const result = await scorer.score(plan);
      return { ...result, cells: result.tasks.map((task, index) => ({ ...cells[index]!, ...figuresOf(task) })) };
    },
    dispose: () => scorer.dispose(),
  };
};

/** More than any answer takes: an output that goes on is wrong anyway. */
const ANSWER_TOKENS = 16;

const cellsOf = ({ kinds, lengths, depths }: RetrievalRequest): RetrievalCell[] =>
  kinds.flatMap((kind) =>
    lengths.flatMap((tokens) => depths.map((percent) => ({ kind, tokens, depth: percent / 100 }))),
  );

const fileOf = (model: TunableModel, cell: RetrievalCell, { perCell, seed }: RetrievalRequest): TaskFile => {
  const name = `${cell.kind} of ${cell.tokens} tokens at ${Math.round(100 * cell.depth)}%`;
  const items = retrievalItems((text) => model.encode(text), cell, { prompts: perCell, seed });
  return { path: name, name, items, checksum: `${name}, seed ${seed}, ${perCell} prompts` };
};

const figuresOf = ({ prompts, accuracy, floatAccuracy }: TaskResult["tasks"][number]) => ({
  prompts,
  accuracy,
  floatAccuracy,
});
