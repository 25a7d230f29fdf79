import { KvtunerError } from "@kvtuner/plan";
import { z } from "zod";
import { lastNumber } from "./numbers.ts";
import type { TaskItem } from "./task-item.ts";

/**
 * Reads a task: JSON Lines of `{prompt, answer, compare, choices?, stop?}`, or GSM8K's `{question, answer}`, whose answers
 * end in `#### 42`. Ignores other fields and empty lines.
 *
 * @param name of the file, for errors
 * @throws TaskError `TASK_LINE` for an invalid line, with its number and what was expected; `TASK_EMPTY` without lines
 */
export const parseTask = (text: string, name = "the task"): TaskItem[] => {
  const items = text
    .replace(BYTE_ORDER_MARK, "")
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parseLine(line, index + 1, name)]));
  if (items.length > 0) return items;
  throw new TaskError(
    "TASK_EMPTY",
    `expected at least one prompt in ${name}, got none; write one {"prompt", "answer", "compare"} per line`,
  );
};

/** Some editors write a byte order mark at the start of UTF-8. */
const BYTE_ORDER_MARK = /^\uFEFF/;

const parseLine = (line: string, number: number, name: string): TaskItem => {
  const value = parseJson(line, number, name);
  // A line with a prompt is evaluated by it, whatever else the line contains.
  const isGsm8k = typeof value === "object" && value !== null && "question" in value && !("prompt" in value);
  const parsed = (isGsm8k ? gsm8kLine : taskLine).safeParse(value);
  if (!parsed.success) throw lineError(name, number, reasonOf(parsed.error), parsed.error);
  return { ...parsed.data, line: number };
};

const parseJson = (line: string, number: number, name: string): unknown => {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw lineError(
      name,
      number,
      `is not JSON (${cause instanceof Error ? cause.message : "it cannot be parsed"})`,
      cause,
    );
  }
};

const text = z.string().min(1);

const taskLine = z
  .object({
    prompt: text,
    answer: text,
    compare: z.enum(["exact", "number", "choice"], {
      error: ({ input }) => `expected "exact", "number" or "choice", got ${JSON.stringify(input) ?? "none"}`,
    }),
    choices: z.array(text).min(2).optional(),
    stop: text.optional(),
  })
  .superRefine(({ answer, compare, choices, stop }, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
    if (compare === "choice" && !choices?.includes(answer))
      refuse("choices", "expected two or more, including the answer");
    if (new Set(choices).size < (choices?.length ?? 0)) refuse("choices", "expected different choices");
    if (compare === "number" && lastNumber(answer) === undefined) refuse("answer", "expected a number");
    if (stop !== undefined && answer.includes(stop)) refuse("stop", "expected a text that the answer does not contain");
  })
  .transform(({ choices, stop, ...line }): Omit<TaskItem, "line"> => ({
    ...line,
    ...(choices !== undefined && { choices }),
    ...(stop !== undefined && { stop }),
  }));

/** Prompts and stop of EleutherAI's evaluation harness, whose scores the paper reports. */
const gsm8kLine = z
  .object({ question: text, answer: z.string().regex(/#### .*\d[^\n]*\s*$/, "expected a last line like #### 42") })
  .transform(({ question, answer }): Omit<TaskItem, "line"> => ({
    prompt: `Question: ${question}\nAnswer:`,
    answer: answer.slice(answer.lastIndexOf("#### ") + 5).trim(),
    worked: ` ${answer.trimEnd()}`,
    compare: "number",
    stop: "Question:",
  }));

const reasonOf = ({ issues: [issue] }: z.ZodError): string =>
  issue === undefined
    ? "is none"
    : `has ${["", ...issue.path].length > 1 ? `at ${issue.path.join(".")}: ` : ""}${issue.message}`;

const lineError = (name: string, number: number, reason: string, cause: unknown): TaskError =>
  new TaskError(
    "TASK_LINE",
    `expected {"prompt", "answer", "compare": "exact", "number" or "choice"} on each line of ${name}, or {"question", "answer"} as in GSM8K, but line ${number} ${reason}`,
    { cause },
  );

/** A task that cannot be read or evaluated; `code` says why. */
export class TaskError extends KvtunerError {
  override readonly name = "TaskError";
}
