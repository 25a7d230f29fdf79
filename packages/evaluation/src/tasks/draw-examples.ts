import { seededRandom } from "@kvtuner/decoder";
import { TaskError } from "./task-file.ts";
import type { TaskItem } from "./task-item.ts";
import type { TaskOptions } from "./task-options.ts";

/** The lines shown as examples and the lines evaluated. */
export interface Drawn {
  readonly shots: readonly TaskItem[];
  readonly evaluated: readonly TaskItem[];
}

/**
 * Draws a task's examples. Never evaluates their prompts, whichever file they come from: the answers are on display.
 *
 * @throws TaskError `TASK_SHOTS` when too few lines are left for the examples or the evaluation
 */
export const drawExamples = (items: readonly TaskItem[], options: TaskOptions): Drawn => {
  const { prompts, shots = 0, shotsFrom, seed = 0 } = options;
  const pool = shotsFrom ?? items;
  if (pool.length < (shotsFrom === undefined ? shots + 1 : shots)) throw tooFewLines(pool.length, options);
  const drawn = shuffled(pool, seed).slice(0, shots);
  const shown = new Set(drawn.map(questionOf));
  const left = items.filter((item) => !shown.has(questionOf(item)));
  if (left.length === 0) throw nothingToAsk(items.length, options);
  const evaluated = left.slice(0, prompts);
  warnOfShown(items.length - left.length, evaluated.length, options);
  return { shots: drawn, evaluated };
};

/** Key of a question. Includes the choices: in many tasks all lines have one prompt. */
const questionOf = ({ prompt, choices }: TaskItem): string =>
  JSON.stringify([prompt.trim(), ...(choices ?? []).toSorted()]);

/** Warns when examples remove more lines than expected. Examples from the task itself each remove one. */
const warnOfShown = (
  shown: number,
  evaluated: number,
  { shots = 0, shotsFrom, name = "the task", onWarning }: TaskOptions,
): void => {
  if (shown <= (shotsFrom === undefined ? shots : 0)) return;
  onWarning?.(
    `examples show ${shown} lines of ${name} with their answers; these are skipped, and ${evaluated} are evaluated`,
  );
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

const tooFewLines = (lines: number, { shots = 0, shotsFrom, name = "the task" }: TaskOptions): TaskError =>
  new TaskError(
    "TASK_SHOTS",
    `expected ${shots} lines for examples${shotsFrom === undefined ? " and one more to evaluate" : ""}, got ${lines} lines in ${shotsFrom === undefined ? name : "the file of examples"}; give fewer shots or a longer file`,
  );

const nothingToAsk = (lines: number, { shots = 0, name = "the task" }: TaskOptions): TaskError =>
  new TaskError(
    "TASK_SHOTS",
    `expected a line of ${name} that the ${shots} examples do not show, got ${lines} lines that they all show; use fewer shots, or examples from another file`,
  );
